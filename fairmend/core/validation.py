"""One way from raw values to a checked record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from fairmend.core.errors import UsageError

Model = TypeVar("Model", bound=BaseModel)


def validated(model: type[Model], raw: Mapping[str, Any], what: str) -> Model:
    """Return a record made of raw values.

    Raises
    ------
    UsageError
        The values break the schema: one line that names the place and the fault.
    """
    if not isinstance(raw, Mapping):
        raise UsageError(f"{what} is not sound: a mapping was expected, got {type(raw).__name__}")
    try:
        return model(**raw)
    except ValidationError as error:
        first = error.errors()[0]
        cause = first.get("ctx", {}).get("error")
        if isinstance(cause, UsageError):
            raise cause from error
        where = ".".join(str(part) for part in first["loc"]) or "the top"
        message = first["msg"].removeprefix("Value error, ")
        raise UsageError(f"{what} is not sound at {where}: {message}") from error
