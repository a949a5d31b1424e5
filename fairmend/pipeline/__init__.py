"""Compose, gate, run and record a pipeline."""
