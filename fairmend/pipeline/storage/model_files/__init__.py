"""Fitted models as files, in the format of skops: written without pickle, read after a check.

A file comes from elsewhere, or lies where others can write. So everything in it is checked before
anything of it is made: the sizes (:mod:`.archive`), each node and the places that trees hold
(:mod:`.schema`, :mod:`.arrays`), and each name against an exact list (:mod:`.types`). There is one way
to read a model, for a file of the user's as for one of a stored run.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from fairmend.core.errors import DataError, RunError
from fairmend.pipeline.storage.model_files.archive import MAX_SCHEMA, MAX_TOTAL, SCHEMA, Archive
from fairmend.pipeline.storage.model_files.errors import DamagedFileError, ForbiddenTypeError
from fairmend.pipeline.storage.model_files.schema import SchemaCheck
from fairmend.pipeline.storage.model_files.types import ModelTypes

__all__ = ["MAX_TOTAL", "dump_model", "load_model"]


def dump_model(model: Any) -> bytes:
    """Return a fitted object as bytes, in the format of skops; nothing is pickled.

    Raises
    ------
    RunError
        It holds something that skops cannot write.
    """
    import skops.io  # loads torch where it is installed, which a run that is not kept does without

    try:
        return skops.io.dumps(model)
    except Exception as error:  # skops passes on whatever an object says when it is asked for its state
        raise RunError(f"the model cannot be stored: {' '.join(str(error).split())[:300]}") from error


def load_model(content: bytes, plugins: Iterable[str] = (), *, what: str = "the stored model") -> Any:
    """Return a fitted object; only what a model needs is made.

    Parameters
    ----------
    content : bytes
        What :func:`dump_model` gave.
    plugins : iterable of str
        Modules of installed third-party plugins, whose own classes are trusted, too.
    what : str
        What to call it in an error.

    Raises
    ------
    RunError
        The content names a type that no model needs, or a function that could do more than compute.
    DataError
        The content is damaged, too large for a model, or of another version.
    """
    import skops.io

    try:
        names = _checked(content, ModelTypes(plugins))
    except ForbiddenTypeError as error:
        raise RunError(f"{what} {error}; it is not loaded") from error
    except DamagedFileError as error:
        raise DataError(
            f"{what} cannot be read as a model: {error}; save the model anew with skops.io.dump"
        ) from error
    try:
        return skops.io.loads(content, trusted=sorted(names))
    except Exception as error:  # whatever a file of another version, or a made-up one, brings about
        said = " ".join(str(error).split())[:200]
        raise DataError(f"{what} cannot be read as a model: {type(error).__name__}: {said}") from error


def _checked(content: bytes, types: ModelTypes) -> set[str]:
    """Return the names of all types that a file holds, each of which may be made."""
    archive = Archive(content)
    try:
        schema = json.loads(archive.read(SCHEMA, MAX_SCHEMA))
        check = SchemaCheck(archive, types)
        check.run(schema)
    except ValueError as error:
        raise DamagedFileError("its schema is no JSON") from error
    except RecursionError as error:
        raise DamagedFileError("its schema is nested too deeply") from error
    return check.names
