"""One way from a file, a mapping or a record itself to a checked record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fairmend.core.errors import UsageError
from fairmend.core.text.strict_reading import read_json
from fairmend.core.text.validation import Model, validated

Reader = Callable[[str | Path, str], Any]


def load_document(
    model: type[Model],
    source: str | Path | Mapping[str, Any] | Model,
    what: str,
    made_by: str,
    read: Reader = read_json,
) -> Model:
    """Return a record from a file, from the mapping that a file holds, or as it is.

    Parameters
    ----------
    model : type
        The schema.
    source : str, Path, mapping or record
        Where it is.
    what : str
        What people call it, e.g. ``"audit"``.
    made_by : str
        The command that makes such a file, for the message where there is none.
    read : callable
        Reads a file; the second argument is what messages call it.

    Raises
    ------
    UsageError
        The file is missing or cannot be read, or the values break the schema; the message names the place.
    """
    if isinstance(source, model):
        return source
    if isinstance(source, Mapping):
        return validated(model, source, f"the {what}")
    path = Path(str(source))
    if not path.is_file():
        raise UsageError(f"there is no {what} file {path}; make one with {made_by}")
    raw = read(path, str(path))
    if not isinstance(raw, Mapping):
        article = "an" if what[0] in "aeiou" else "a"
        raise UsageError(f"{path} is not {article} {what}: a mapping was expected, got {type(raw).__name__}")
    return validated(model, raw, str(path))
