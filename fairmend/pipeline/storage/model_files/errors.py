"""What is wrong with a model file, for whoever checks it; callers see RunError and DataError."""

from __future__ import annotations


class DamagedFileError(Exception):
    """The file is not as skops writes it: cut off, corrupted, or made by hand."""


class ForbiddenTypeError(Exception):
    """The file names something that no model needs, and that is not made therefore."""
