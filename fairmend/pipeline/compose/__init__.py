"""Compose a pipeline from recommendations, and validate it."""
