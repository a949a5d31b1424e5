"""What a card says of the parameters of a technique: name, default, and which values are accepted."""

from __future__ import annotations

from inspect import Parameter, signature
from typing import TYPE_CHECKING, Any

from sklearn.utils._param_validation import Hidden, Options, make_constraint

from fairmend.core.serialization import to_plain

if TYPE_CHECKING:
    from fairmend.core.technique import Technique


def parameters_json(technique: type[Technique]) -> list[dict[str, Any]]:
    """Return the parameters of a technique for JSON, in the order of its constructor.

    A required one has no ``default``.
    """
    return [
        {
            "name": parameter.name,
            **({} if parameter.default is Parameter.empty else {"default": to_plain(parameter.default)}),
            "accepts": accepted(technique._parameter_constraints.get(parameter.name, [])),
        }
        for parameter in signature(technique).parameters.values()
        if parameter.kind is Parameter.POSITIONAL_OR_KEYWORD or parameter.kind is Parameter.KEYWORD_ONLY
    ]


def accepted(constraints: list[Any]) -> str:
    """Return in words which values constraints in the form of scikit-learn accept, always in the same order.

    Examples
    --------
    >>> from sklearn.utils._param_validation import StrOptions
    >>> accepted([StrOptions({"mass", "width"}), None])
    "one of 'mass', 'width' or None"
    """
    made = [make_constraint(c) for c in constraints if not isinstance(c, Hidden)]
    return " or ".join(_text(c) for c in made) or "anything"


def _text(constraint: Any) -> str:
    if isinstance(constraint, Options):
        return f"one of {', '.join(sorted(map(repr, constraint.options)))}"
    return str(constraint)
