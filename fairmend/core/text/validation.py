"""One way from raw values to a checked record, and from its faults to plain words."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from fairmend.core.errors import UsageError, unknown
from fairmend.core.text.escaping import one_line, shown
from fairmend.core.vocabulary import LARGEST_SEED

Model = TypeVar("Model", bound=BaseModel)


class ClosedModel(BaseModel):
    """A record that nobody changes, of the keys that its schema names and no others."""

    model_config = ConfigDict(frozen=True, extra="forbid")


# What was expected, by the kind of error; names in braces are of the error's context.
EXPECTED = {
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "enum": "{expected}",
    "finite_number": "a finite number",
    "float_parsing": "a number",
    "float_type": "a number",
    "greater_than": "a number above {gt}",
    "greater_than_equal": "a number of at least {ge}",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a whole number of fewer digits",
    "int_type": "a whole number",
    "invalid_key": "a name as key",
    "less_than": "a number below {lt}",
    "less_than_equal": "a number of at most {le}",
    "list_type": "a list",
    "literal_error": "{expected}",
    "mapping_type": "a mapping",
    "model_attributes_type": "a mapping",
    "model_type": "a mapping",
    "none_required": "nothing",
    "string_pattern_mismatch": "text of the form {pattern}",
    "string_too_long": "text of at most {max_length} characters",
    "string_too_short": "text of at least {min_length} characters",
    "string_type": "text",
    "too_long": "at most {max_length} entries",
    "too_short": "at least {min_length} entries",
    "tuple_type": "a list",
}


def check_seed(seed: Any) -> int:
    """Return a seed that every generator in use takes.

    Raises
    ------
    UsageError
        It is not a whole number from 0 to 4294967295.
    """
    try:
        number = operator.index(seed)
    except TypeError:
        number = -1
    if not 0 <= number <= LARGEST_SEED:
        raise UsageError(f"a seed is a whole number from 0 to {LARGEST_SEED}, got {seed!r}")
    return number


def validated(model: type[Model], raw: Mapping[str, Any], what: str) -> Model:
    """Return a record made of raw values.

    Raises
    ------
    UsageError
        The values break the schema: one line that names the place and the fault.
    """
    if not isinstance(raw, Mapping):
        raise UsageError(f"{what} is not valid: a mapping was expected, got {type(raw).__name__}")
    try:
        return model.model_validate(dict(raw))
    except ValidationError as error:
        cause = error.errors()[0].get("ctx", {}).get("error")
        if isinstance(cause, UsageError):
            raise cause from error
        where, fault = first_fault(error, model, raw)
        raise UsageError(f"{what} is not valid at {where or 'the top'}: {fault}") from error


def first_fault(error: ValidationError, model: type[BaseModel], raw: Any) -> tuple[str, str]:
    """Return the place of the first fault of a record, and the fault in plain words.

    Parameters
    ----------
    error : ValidationError
        What the schema said.
    model : type
        The schema.
    raw : mapping
        The values that were checked.

    Returns
    -------
    where : str
        Keys and positions joined by dots; ids instead of positions, where entries have one. Empty for the
        record itself.
    fault : str
        Such as ``"a number was expected, got 'high'"`` or ``"no key is called 'color'; ..."``.
    """
    faults = error.errors()
    first = faults[0]
    kind, loc = first["type"], first["loc"]
    if kind in ("extra_forbidden", "missing"):
        place, key = _place(loc[:-1], raw)[0], str(loc[-1])
        if kind == "missing":
            return _dotted(place), f"the key {shown(key)} is missing"
        return _dotted(place), str(unknown("key", key, _keys(model, loc[:-1])))
    place, got = _place(loc, raw)
    if kind not in EXPECTED:
        return _dotted(place), one_line(first["msg"].removeprefix("Value error, "), 400)
    here = [f for f in faults if f["type"] in EXPECTED and _place(f["loc"], raw)[0] == place]
    expected = dict.fromkeys(EXPECTED[f["type"]].format(**f.get("ctx", {})) for f in here)
    return _dotted(place), f"{' or '.join(expected)} was expected, got {shown(got)}"


def _place(loc: Sequence[int | str], raw: Any) -> tuple[tuple[int | str, ...], Any]:
    """Return the part of a location that the data have, and what is there.

    The rest are names of the alternatives of a union, which say nothing to people.
    """
    place: list[int | str] = []
    for part in loc:
        known = part in raw if isinstance(raw, Mapping) else False
        if known or (isinstance(part, int) and isinstance(raw, Sequence) and part < len(raw)):
            raw = raw[part]
            named = isinstance(part, int) and isinstance(raw, Mapping) and isinstance(raw.get("id"), str)
            place.append(raw["id"] if named else part)
    return tuple(place), raw


def _dotted(place: Sequence[int | str]) -> str:
    return one_line(".".join(str(part) for part in place), 120)


def _keys(model: type[BaseModel], loc: Sequence[int | str]) -> list[str]:
    """Return the keys that a schema knows at a location."""
    for part in loc:
        field = model.model_fields.get(str(part))
        if field is not None:
            model = next(_models(field.annotation), model)
    return [field.alias or name for name, field in model.model_fields.items()]


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the schemas that an annotation names, such as that of the entries of a list."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)
