"""Try techniques and their combinations, and keep those that no other dominates."""
