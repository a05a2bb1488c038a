"""Activations: to be written."""
