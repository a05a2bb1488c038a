"""Claims about speed, as ratios of one run: `python -m benchmarks` prints them."""
