"""The first models."""
