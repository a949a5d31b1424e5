"""Gate checks of plugins: isolated, with validated results, and never replacing built-in checks."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from fairmend.catalog.registry import Registry
from fairmend.core.errors import PluginError
from fairmend.core.hooks.markers import PROJECT
from fairmend.core.safety.containment import contained
from fairmend.pipeline.gates.checks import CHECKS
from fairmend.pipeline.gates.gate_context import GateContext
from fairmend.pipeline.gates.value import CheckFunction, Value

HOOK = "fairmend_gate_checks"


@dataclass(frozen=True)
class PluginCheck:
    """A gate check that a plugin contributes.

    Attributes
    ----------
    plugin, name : str
        The plugin, and the name of the check in policies.
    function : callable
        Computes the value.
    """

    plugin: str
    name: str
    function: Callable[..., Any]

    def __call__(self, view: GateContext, **parameters: Any) -> Value:
        """Return the value of the check.

        Raises
        ------
        PluginError
            It raises, ends its process, exceeds a limit, or does not return a finite value.
        """
        _ = view.current.measurement  # computed once here, not in the process of each check
        content = contained(
            lambda: json.dumps(asdict(self._checked(self.function(view, **parameters)))).encode(),
            plugin=self.plugin,
            what=f"the gate check {self.name}",
        )
        return self._checked(Value(**json.loads(content)))

    def _checked(self, found: Any) -> Value:
        told = f"the gate check {self.name} of the plugin {self.plugin}"
        if not isinstance(found, Value):
            raise PluginError(
                f"{told} must return a fairmend.pipeline.gates.checks.Value, got {type(found).__name__}"
            )
        fault = next(_faults(found), None)
        if fault is not None:
            raise PluginError(f"{told} must return finite values, got {fault}")
        return found


def _faults(found: Value) -> Iterator[str]:
    """Yield the errors of a value."""
    if not found.applies:
        yield "applies=False; only built-in checks may be not applicable"
    if found.value is None and found.enough:
        yield "no value; set enough=False if there is too little evidence"
    if found.value is not None and not _finite(found.value):
        yield f"the value {found.value!r}"
    ends = found.interval
    if ends is not None and not (
        isinstance(ends, (tuple, list)) and len(ends) == 2 and all(map(_finite, ends)) and ends[0] <= ends[1]
    ):
        yield f"the interval {ends!r}"
    if isinstance(found.support, bool) or not isinstance(found.support, int) or found.support < 0:
        yield f"the support {found.support!r}"
    if not isinstance(found.enough, bool) or not isinstance(found.measured, bool):
        yield "flags that are not True or False"
    if not isinstance(found.text, str):
        yield f"the text {found.text!r}"


def _finite(number: Any) -> bool:
    return isinstance(number, (int, float)) and not isinstance(number, bool) and math.isfinite(number)


def gate_functions(registry: Registry) -> dict[str, CheckFunction]:
    """Return the gate metrics by name: built-in checks, and those of plugins under their own names."""
    ours = {plugin.name for plugin in registry.plugins if plugin.source == PROJECT}
    theirs: dict[str, CheckFunction] = {}
    for plugin, answer in registry.collect(HOOK):
        if plugin not in ours:
            theirs |= {name: PluginCheck(plugin, name, function) for name, function in answer.items()}
    return {**theirs, **CHECKS}
