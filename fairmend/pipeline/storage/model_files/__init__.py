"""Fitted models as files, in the format of skops: written without pickle, read after a check.

A model file may come from elsewhere, or be writable by others. So everything in it is checked before any
object is created: the sizes (:mod:`.archive`), each node and the indices that trees contain
(:mod:`.schema`, :mod:`.arrays`), and each name against an exact list (:mod:`.types`). The user's files
and those of stored runs are read the same way.
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
        It contains something that skops cannot write.
    """
    import skops.io  # importing skops loads torch if installed; runs that are not stored avoid that

    try:
        return skops.io.dumps(model)
    except Exception as error:  # skops forwards any exception of an object whose state it reads
        raise RunError(f"the model cannot be stored: {' '.join(str(error).split())[:300]}") from error


def load_model(content: bytes, plugins: Iterable[str] = (), *, what: str = "the stored model") -> Any:
    """Return a fitted object; only types that models need are created.

    Parameters
    ----------
    content : bytes
        Result of :func:`dump_model`.
    plugins : iterable of str
        Modules of installed third-party plugins, whose own classes are also trusted.
    what : str
        Its name in error messages.

    Raises
    ------
    RunError
        The content names a type that no model needs, or a function with possible side effects.
    DataError
        The content is damaged, too large, or of another version.
    """
    import skops.io

    try:
        names = _checked(content, ModelTypes(plugins))
    except ForbiddenTypeError as error:
        raise RunError(f"{what} {error}; it is not loaded") from error
    except DamagedFileError as error:
        raise DataError(
            f"{what} cannot be read as a model: {error}; save the model again with skops.io.dump"
        ) from error
    try:
        return skops.io.loads(content, trusted=sorted(names))
    except Exception as error:  # a file of another version, or a manipulated one, may raise anything
        said = " ".join(str(error).split())[:200]
        raise DataError(f"{what} cannot be read as a model: {type(error).__name__}: {said}") from error


def _checked(content: bytes, types: ModelTypes) -> set[str]:
    """Return the names of all types in a file, all of them allowed."""
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
