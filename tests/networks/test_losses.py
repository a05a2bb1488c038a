"""Losses: to be written."""
