"""Probability: to be written."""
