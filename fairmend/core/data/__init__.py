"""Data with roles: reading, groups, draws that are fixed per row."""
