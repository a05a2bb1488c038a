"""The taxonomy."""
