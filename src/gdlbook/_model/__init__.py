"""What the families share and no page teaches: checks of input, shipped weights."""
