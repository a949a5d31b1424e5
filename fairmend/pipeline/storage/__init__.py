"""Storage of runs on disk: records, artifacts, checkpoints."""
