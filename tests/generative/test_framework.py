"""The framework: to be written."""
