"""Ask a plugin what it contributes: in this process, or in another one with a time limit.

A plugin is third-party code: importing it may raise, hang or end the process. What is not known
yet is therefore read in another process first, which returns what a listing needs.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import pluggy

from fairmend.core.errors import PluginError
from fairmend.core.hooks import hookspecs
from fairmend.core.hooks.markers import PROJECT
from fairmend.core.metadata import TechniqueMetadata
from fairmend.core.safety.containment import positive

if TYPE_CHECKING:
    from fairmend.core.technique import Technique

TIMEOUT = "FAIRMEND_PLUGIN_TIMEOUT"
SECONDS = 60.0
KINDS = "fairmend_finding_kinds"
MAPPINGS = ("fairmend_gate_checks", "fairmend_encoders", "fairmend_datasets")


class PluginTimeoutError(PluginError):
    """A plugin took longer than the time limit."""


def time_limit() -> float:
    """Return how many seconds a plugin may take: FAIRMEND_PLUGIN_TIMEOUT, else 60.

    Raises
    ------
    UsageError
        The variable holds no positive number.
    """
    return positive(TIMEOUT, SECONDS, "of seconds")


def manager() -> pluggy.PluginManager:
    """Return a plugin manager that knows the hooks and no plugin."""
    made = pluggy.PluginManager(PROJECT)
    made.add_hookspecs(hookspecs)
    return made


def register(plugins: pluggy.PluginManager, name: str, target: str) -> list[str]:
    """Import a plugin, ``module`` or ``module:attribute``, and register it under its name.

    Returns
    -------
    list of str
        What it marks as hooks and fairmend does not have; these are never called.

    Raises
    ------
    PluginError
        Importing it fails, or a hook takes other arguments.
    """
    module, _, attribute = target.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in attribute.split(".") if attribute else ():
            found = getattr(found, part)
        if isinstance(found, type):
            found = found()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        hint = ""
        if isinstance(error, ModuleNotFoundError) and error.name:
            hint = f"; install the package that provides {error.name}"
        raise PluginError(f"importing it raised {type(error).__name__}: {short(error)}{hint}") from error
    try:
        plugins.register(found, name=name)
    except (pluggy.PluginValidationError, ValueError) as error:
        raise PluginError(f"it does not match the hook specifications: {short(error)}") from error
    hooks = vars(plugins.hook).values()
    return sorted(hook.name for hook in hooks if isinstance(hook, pluggy.HookCaller) and not hook.has_spec())


def examine(name: str, target: str) -> dict[str, Any]:
    """Return the cards of a plugin's techniques, the names of all else by hook, and unknown hooks it has.

    Raises
    ------
    PluginError
        The plugin breaks the contract.
    """
    plugins = manager()
    ignored = register(plugins, name, target)
    cards = [card_json(found) for found in _classes(_asked(plugins, "fairmend_techniques"))]
    names = {hook: names_in(hook, _asked(plugins, hook)) for hook in (KINDS, *MAPPINGS)}
    found: dict[str, Any] = {"cards": cards, "names": {hook: given for hook, given in names.items() if given}}
    return {**found, "ignored": ignored} if ignored else found


def examine_apart(name: str, target: str, seconds: float) -> dict[str, Any]:
    """Return what :func:`examine` returns, from a process of its own.

    Raises
    ------
    PluginTimeoutError
        It has not answered within so many seconds.
    PluginError
        The plugin breaks the contract, or ends the process.
    """
    path = os.pathsep.join(folder or os.getcwd() for folder in sys.path)
    with tempfile.TemporaryFile("w+", encoding="utf-8") as answer:
        try:
            done = subprocess.run(  # noqa: S603 - our own interpreter and module
                [sys.executable, "-m", __name__, name, target],
                stdin=subprocess.DEVNULL,
                stdout=answer,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": path},
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise PluginTimeoutError(
                f"importing it took longer than {seconds:g} s; fix the plugin, or raise the limit with {TIMEOUT}"
            ) from error
        answer.seek(0)
        text = answer.read()
    if not text:
        raise PluginError(f"importing it ended the process with exit code {done.returncode}")
    found: dict[str, Any] = json.loads(text)
    if "problem" in found:
        raise PluginError(found["problem"])
    return found


def card_json(technique: type[Technique]) -> dict[str, Any]:
    """Return the card of a class for JSON."""
    from fairmend.catalog.parameters import parameters_json

    return {
        "module": technique.__module__,
        "qualname": technique.__qualname__,
        "metadata": technique.metadata.model_dump(mode="json"),
        "parameters": parameters_json(technique),
    }


def short(error: BaseException) -> str:
    """Return what an error says on one line of bounded length."""
    return " ".join(str(error).split())[:300]


def names_in(hook: str, answer: Any) -> list[str]:
    """Return the names that an answer to one of the hooks but the first one contributes, checked.

    Raises
    ------
    PluginError
        The answer is not of the type that the hook requires.
    """
    return _kinds(answer) if hook == KINDS else _keys(hook, answer)


def _asked(plugins: pluggy.PluginManager, hook: str) -> Any:
    """Return what the one registered plugin answers to a hook, None where it does not implement it."""
    try:
        answers = getattr(plugins.hook, hook)()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise PluginError(f"{hook}() raised {type(error).__name__}: {short(error)}") from error
    return answers[0] if answers else None


def _classes(answer: Any) -> list[type[Technique]]:
    found = list(_items("fairmend_techniques", answer))
    if not found:
        return []  # and scikit-learn need not be imported
    from fairmend.core.technique import Technique

    for item in found:
        if not (isinstance(item, type) and issubclass(item, Technique)):
            raise PluginError(f"fairmend_techniques() must return technique classes, got {item!r}")
        if not isinstance(getattr(item, "metadata", None), TechniqueMetadata):
            raise PluginError(f"{item.__qualname__} has no metadata")
    return found


def _kinds(answer: Any) -> list[str]:
    from fairmend.core.findings import FindingKind

    kinds = list(_items(KINDS, answer))
    for kind in kinds:
        if not isinstance(kind, FindingKind):
            raise PluginError(f"{KINDS}() must return kinds of finding, got {kind!r}")
    return [kind.kind for kind in kinds]


def _items(hook: str, answer: Any) -> Iterable[Any]:
    if answer is None:
        return ()
    if not isinstance(answer, Iterable) or isinstance(answer, (str, Mapping)):
        raise PluginError(f"{hook}() must return a list, got {answer!r}")
    return answer


def _keys(hook: str, answer: Any) -> list[str]:
    if answer is None:
        return []
    if not isinstance(answer, Mapping):
        raise PluginError(f"{hook}() must return a mapping of names to functions, got {answer!r}")
    for name, value in answer.items():
        if not isinstance(name, str) or not callable(value):
            raise PluginError(f"{hook}() must map names to functions, got {name!r}: {value!r}")
    return list(answer)


def _main() -> None:
    """Write what a plugin contributes, or its fault, as JSON to stdout, and nothing else there."""
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what the plugin prints must not mix with the answer
    try:
        found = examine(*sys.argv[1:3])
    except PluginError as error:
        found = {"problem": str(error)}
    json.dump(found, answer)
    answer.close()
    os._exit(0)  # threads that the plugin has started do not keep us waiting


if __name__ == "__main__":
    _main()
