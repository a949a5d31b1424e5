"""The built-in techniques: one file each, a folder a stage."""
