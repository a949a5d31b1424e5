"""Intervals, tests, and corrections for several tests."""
