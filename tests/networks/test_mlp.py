"""The multilayer perceptron: to be written."""
