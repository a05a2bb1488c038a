"""What keeps prose and code in step: it serves the site, not its readers."""
