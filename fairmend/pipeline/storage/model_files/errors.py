"""Errors of model files, internal to the checks; callers get RunError and DataError."""

from __future__ import annotations


class DamagedFileError(Exception):
    """The file differs from what skops writes: truncated, corrupted, or manipulated."""


class ForbiddenTypeError(Exception):
    """The file names something that no model needs, and is therefore not loaded."""
