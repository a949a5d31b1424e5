"""Third-party code held apart, and our own held against its source."""
