"""What the command line reads from Git."""
