"""Whether fairmend's own code is what its source files define, and not what a plugin has put in its place.

Each function and method of the loaded modules is compared with the code that the interpreter compiles from
(or has cached for) the module's file, and each name that one module imports from another with its origin. It
takes some milliseconds. It shows what was replaced by accident or carelessly; code that runs in the same
process can always undo its traces, as ``SECURITY.md`` says.
"""

from __future__ import annotations

import functools
import opcode
import sys
from collections.abc import Iterable, Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

from fairmend.catalog.registry import Registry
from fairmend.core.errors import RunError
from fairmend.core.hooks.markers import PROJECT

_IMPORT_NAME, _IMPORT_FROM = opcode.opmap["IMPORT_NAME"], opcode.opmap["IMPORT_FROM"]
_STORE_NAME, _EXTENDED = opcode.opmap["STORE_NAME"], opcode.opmap["EXTENDED_ARG"]
# What decorators make of a function, and where they keep it.
_WRAPPERS: tuple[tuple[type, str], ...] = (
    (functools._lru_cache_wrapper, "__wrapped__"),
    (functools.cached_property, "func"),
    (property, "fget"),
    (classmethod, "__func__"),
    (staticmethod, "__func__"),
)
_AVAILABLE_IF = "sklearn.utils._available_if._AvailableIfDescriptor"
_WRAPPING_FILES = ("contextlib.py", "sklearn/utils/_set_output.py")
# The packages that no figure and no gate rests on; techniques are judged by what comes of them.
_ELSEWHERE = (
    "cli",
    "reports",
    "api",
    "index",
    "testing",
    "plugins",
    "catalog.registry",
    "catalog.plugin_loading",
)


def verify(registry: Registry) -> None:
    """Check the loaded modules of the project, where a third party's plugin is loaded.

    Raises
    ------
    RunError
        A function was replaced; the message names it, and the plugin where that is known.
    """
    theirs = {
        p.module.partition(":")[0].partition(".")[0]: p.name for p in registry.plugins if p.source != PROJECT
    }
    if theirs.keys().isdisjoint(sys.modules):
        return
    found = list(replaced())
    if not found:
        return
    names = [f"{name} by {_blamed(value, theirs)}" for name, value in found[:3]]
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    raise RunError(
        f"no verdict is given, since built-in functions were replaced: {', '.join(names)}{more}; "
        "remove the plugin and run again"
    )


def _blamed(value: Any, theirs: dict[str, str]) -> str:
    module = str(getattr(value, "__module__", None) or type(value).__module__)
    package = module.partition(".")[0]
    return f"the plugin {theirs[package]}" if package in theirs else f"code of {module}"


def replaced(modules: Iterable[ModuleType] | None = None) -> Iterator[tuple[str, Any]]:
    """Yield the name of each function that is not the one its module's file defines, and what stands there.

    Parameters
    ----------
    modules : iterable of module, optional
        Where to look; by default the loaded modules that a verdict rests on.
    """
    if modules is None:
        loaded = list(sys.modules.items())
        modules = [m for name, m in loaded if _decides(name) and isinstance(m, ModuleType)]
    for module in modules:
        source = _source(module.__name__, getattr(module.__spec__, "loader", None))
        if source is None:
            continue
        defined, imported = source
        yield from _strange_items(module)
        for name, value in _members(module, defined):
            codes = defined[name]
            if not any(_code(value) == code for code in codes):
                yield f"{module.__name__}.{name}", value
        for name, origin, original in imported:
            home = sys.modules.get(origin)
            if home is None or name not in vars(module):
                continue
            there = vars(home).get(original, sys.modules.get(f"{origin}.{original}"))
            if vars(module)[name] is not there:
                yield f"{module.__name__}.{name}", vars(module)[name]


def _decides(name: str) -> bool:
    project, _, rest = name.partition(".")
    return project == PROJECT and rest not in _ELSEWHERE and rest.partition(".")[0] not in _ELSEWHERE


def _strange_items(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """Yield what is no function of the project in a table of such functions."""
    for name, table in list(vars(module).items()):
        if name.startswith("__") or type(table) is not dict:
            continue
        functions = {
            key: value for key, value in table.items() if callable(value) and not isinstance(value, type)
        }
        if not any(isinstance(f, FunctionType) and _decides(f.__module__ or "") for f in functions.values()):
            continue
        for key, value in functions.items():
            code = _code(value)
            if code is None or code not in _every(str(value.__module__)):
                yield f"{module.__name__}.{name}[{key!r}]", value


@functools.cache
def _every(name: str) -> frozenset[CodeType]:
    """Return all code of a module's file."""
    module = sys.modules.get(name)
    loader: Any = getattr(getattr(module, "__spec__", None), "loader", None)
    code = loader.get_code(name) if _decides(name) and hasattr(loader, "get_code") else None
    return frozenset() if code is None else frozenset(_nested(code))


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _nested(inner)


def _members(module: ModuleType, defined: dict[str, set[CodeType]]) -> Iterator[tuple[str, Any]]:
    """Yield what stands where the file defines functions and methods."""
    for qualname in defined:
        found: Any = module
        for part in qualname.split("."):
            found = vars(found).get(part) if hasattr(found, "__dict__") else None
            if found is None:
                break
        else:
            yield qualname, found


def _code(value: Any) -> CodeType | None:
    """Return the code of a function, also under the decorators of the standard library and scikit-learn."""
    while not isinstance(value, FunctionType):
        holder = next((where for kind, where in _WRAPPERS if type(value) is kind), None)
        if f"{type(value).__module__}.{type(value).__qualname__}" == _AVAILABLE_IF:
            holder = "fn"
        if holder is None:
            return None
        value = getattr(value, holder)
    if value.__code__.co_filename.endswith(_WRAPPING_FILES) and hasattr(value, "__wrapped__"):
        return _code(value.__wrapped__)
    return value.__code__


@functools.cache
def _source(name: str, loader: Any) -> tuple[dict[str, set[CodeType]], list[tuple[str, str, str]]] | None:
    """Return what a module's file defines, by qualified name, and what it imports from the project."""
    code = loader.get_code(name) if hasattr(loader, "get_code") else None
    if code is None:
        return None
    defined: dict[str, set[CodeType]] = {}
    _collect(code, "", defined)
    return defined, list(_imports(code))


def _collect(code: CodeType, within: str, defined: dict[str, set[CodeType]]) -> None:
    for inner in code.co_consts:
        if not isinstance(inner, CodeType) or not inner.co_name.isidentifier():
            continue
        qualname = f"{within}{inner.co_name}"
        if inner.co_flags & 0x02:  # a function has fast locals, the body of a class has not
            defined.setdefault(qualname, set()).add(inner)
        else:
            _collect(inner, f"{qualname}.", defined)


def _imports(code: CodeType) -> Iterator[tuple[str, str, str]]:
    """Yield name, module and original name of what a module imports with ``from``, of the project."""
    origin, original, extended = "", "", 0
    for place in range(0, len(code.co_code), 2):
        operation, argument = code.co_code[place], code.co_code[place + 1] | extended
        extended = argument << 8 if operation == _EXTENDED else 0
        if operation == _IMPORT_NAME:
            origin, original = code.co_names[argument], ""
        elif operation == _IMPORT_FROM:
            original = code.co_names[argument]
        elif operation == _STORE_NAME and original:
            if origin.startswith(f"{PROJECT}."):
                yield code.co_names[argument], origin, original
            original = ""
