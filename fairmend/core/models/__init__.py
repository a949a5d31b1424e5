"""Fitted rules, learners and the models that users bring."""
