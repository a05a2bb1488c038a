"""The first models: to be written."""
