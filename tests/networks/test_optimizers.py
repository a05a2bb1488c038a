"""Optimizers: to be written."""
