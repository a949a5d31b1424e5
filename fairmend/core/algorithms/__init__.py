"""What techniques of two or more families share."""
