"""What the chapter on the comparison needs and does not teach: worlds and records."""
