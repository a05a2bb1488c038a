"""Part II: deep learning, from one unit to the stacked convolutional network."""
