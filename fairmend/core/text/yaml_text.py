"""YAML as it is printed and written."""

from __future__ import annotations

from typing import Any

import yaml

from fairmend.core.text.escaping import ACTING
from fairmend.core.text.strict_reading import EXPONENT


class _Dumper(yaml.SafeDumper):
    """Writes floats as people do, and texts that hold what acts on a reader between double quotes."""


def _float(dumper: _Dumper, value: float) -> yaml.ScalarNode:
    """Return a float at twelve digits: sums of decimals such as 0.30000000000000004 are meant as 0.3."""
    return yaml.SafeDumper.represent_float(dumper, float(f"{value:.12g}"))


def _text(dumper: _Dumper, value: str) -> yaml.ScalarNode:
    style = '"' if ACTING.search(value) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(float, _float)
_Dumper.add_representer(str, _text)
# Text that the reader would take for a number is quoted.
_Dumper.add_implicit_resolver("tag:yaml.org,2002:float", EXPONENT, list("-+.0123456789"))


def yaml_text(value: Any) -> str:
    r"""Return data as YAML, in the order given; what acts on a terminal or the eye stands as its code.

    Examples
    --------
    >>> print(yaml_text({"bound": 0.1 + 0.2, "name": "a\u202eb"}), end="")
    bound: 0.3
    name: "a\u202Eb"
    """
    text = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
    return ACTING.sub(lambda found: _code(ord(found[0])), text)


def _code(point: int) -> str:
    return f"\\u{point:04X}" if point <= 0xFFFF else f"\\U{point:08X}"
