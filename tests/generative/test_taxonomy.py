"""The taxonomy: to be written."""
