"""Conditional generation: to be written."""
