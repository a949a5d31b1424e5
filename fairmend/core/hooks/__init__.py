"""What a plugin can contribute, and the markers of it."""
