"""What pages show, read from the core's records."""
