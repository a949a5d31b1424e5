"""Figures as files: the same figure gives the same bytes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairmend.core.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def save_figure(figure: Figure, path: str | Path, **options: Any) -> None:
    """Save a figure as PNG, SVG or PDF, by the ending of the name.

    Parameters
    ----------
    figure : Figure
        The figure.
    path : path
        Where to.
    **options
        Of ``Figure.savefig``.

    Raises
    ------
    UsageError
        The file cannot be written.
    """
    import matplotlib as mpl

    target = Path(path)
    undated = {".png": {"Software": None}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
    try:
        with mpl.rc_context({"svg.hashsalt": "fairmend"}):
            figure.savefig(target, facecolor="white", metadata=undated.get(target.suffix), **options)
    except OSError as error:
        raise UsageError(f"{target} cannot be written: {error.strerror or error}") from error
