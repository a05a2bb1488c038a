"""Dense layers: to be written."""
