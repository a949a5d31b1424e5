"""Causal graphs, tests of independence, adjusted contrasts and their sensitivity."""
