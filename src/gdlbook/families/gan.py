"""Adversarial networks."""
