"""Gates: what they measure, and what they decide."""
