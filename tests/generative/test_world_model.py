"""World models: to be written."""
