"""The parts of `gdlbook.train`: what goes in, what changes, what is kept."""
