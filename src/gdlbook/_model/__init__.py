"""What the families share and no page teaches: checks, examples, shipped weights."""
