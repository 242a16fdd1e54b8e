"""What became of a machine."""
