"""Texts read strictly, checked, worded and made safe for each medium."""
