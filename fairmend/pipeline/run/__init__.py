"""Run a pipeline: state machine, ablation, test evaluation, record."""
