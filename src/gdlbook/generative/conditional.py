"""Conditional generation."""
