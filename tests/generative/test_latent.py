"""Latent space: to be written."""
