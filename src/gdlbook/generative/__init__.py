"""Part I: what a generative model is."""
