"""The built-in techniques: one file per technique, one folder per stage."""
