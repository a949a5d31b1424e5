"""Measures of tasks other than two outcomes."""
