"""From recommendations to a pipeline, and its validation."""
