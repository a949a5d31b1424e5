"""What a run leaves on disk: records, artifacts, checkpoints."""
