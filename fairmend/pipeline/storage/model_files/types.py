"""What a model file may name: an exact list, and what installed plugins define themselves.

A prefix such as ``pandas.`` is no list: among the classes below it are some that evaluate a text or
open a file when they are made. So a name is allowed because a fitted model needs it (``types.json``,
which the tests hold against scikit-learn and against its code), and is looked up in no module that the
list does not name.
"""

from __future__ import annotations

import contextlib
import enum
import json
import sys
from collections.abc import Iterable
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from fairmend.core.technique import Technique
from fairmend.pipeline.storage.model_files.errors import ForbiddenTypeError

LISTS = Path(__file__).with_name("types.json")
PRIMITIVES = frozenset(f"builtins.{name}" for name in ("bool", "bytes", "float", "int", "object", "str"))
SCALARS = frozenset(
    f"numpy.{name}"
    for kind in set(np.sctypeDict.values()) - {np.object_, np.void}
    for name in (kind.__name__, f"{kind.__name__}_")
)
ARRAYS = frozenset({"numpy.ndarray"})
BIT_GENERATORS = ("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64")
# Where numpy and SciPy keep their elementwise functions, which reach no file.
UFUNC_MODULES = (
    "numpy",
    "numpy._core._multiarray_umath",
    "numpy._core.umath",
    "scipy.special",
    "scipy.special._ufuncs",
)
# The names that a node of each kind may bear, where they are few. A constructor calls a type with what
# the file holds, so it has a list of its own.
NAMES: dict[str, frozenset[str]] = {
    "BytesNode": frozenset({"builtins.bytes"}),
    "ConstructorFromReduceNode": frozenset({"builtins.frozenset"}),
    "DTypeNode": frozenset({"numpy.dtype"}),
    "DefaultDictNode": frozenset({"collections.defaultdict"}),
    "DictNode": frozenset({"builtins.dict", "collections.OrderedDict", "sklearn.utils._bunch.Bunch"}),
    "JsonNode": frozenset({"builtins.str"}),
    "ListNode": frozenset({"builtins.list"}),
    "MaskedArrayNode": frozenset({"numpy.ma.MaskedArray", "numpy.ma.core.MaskedArray"}),
    "NdArrayNode": ARRAYS | SCALARS,
    "PartialNode": frozenset({"functools.partial"}),
    "RandomGeneratorNode": frozenset({"numpy.random._generator.Generator"}),
    "RandomStateNode": frozenset({"numpy.random.mtrand.RandomState"}),
    "SetNode": frozenset({"builtins.set"}),
    "SliceNode": frozenset({"builtins.slice"}),
    "SparseMatrixNode": frozenset(
        f"scipy.sparse._{form}.{form}_{kind}"
        for form in ("bsr", "coo", "csc", "csr", "dia")
        for kind in ("array", "matrix")
    ),
    "TreeNode": frozenset({"sklearn.tree._tree.Tree"}),
    "TupleNode": frozenset({"builtins.tuple"}),
    "TypeNode": PRIMITIVES | SCALARS,
}


@cache
def listed(section: str) -> frozenset[str]:
    """Return the full names of a section of ``types.json``."""
    found: dict[str, list[str]] = json.loads(LISTS.read_text(encoding="utf-8"))[section]
    return frozenset(f"{module}.{name}" for module, names in found.items() for name in names)


class ModelTypes:
    """The names that a model file may bear.

    Parameters
    ----------
    plugins : iterable of str
        Modules of installed third-party plugins. Classes that are defined there, or below the same
        package, are allowed; what such a module imports from elsewhere is not.
    """

    def __init__(self, plugins: Iterable[str] = ()) -> None:
        self._plugins = tuple(plugins)
        self._packages = {_package(name) for name in self._plugins} - {_package(__name__)}

    def check(self, loader: str, module: str, name: str) -> None:
        """Check that a node of this kind may bear this name.

        Raises
        ------
        ForbiddenTypeError
            It may not.
        """
        full = f"{module}.{name}"
        if "." in name or not self._is_allowed(loader, module, name, full):
            if loader == "FunctionNode":
                raise ForbiddenTypeError(
                    f"would call {full}, which is neither arithmetic of numpy nor a score of scikit-learn"
                )
            raise ForbiddenTypeError(
                f"holds the type {full}, which no model of scikit-learn and no installed plugin needs"
            )

    def _is_allowed(self, loader: str, module: str, name: str, full: str) -> bool:
        if full in NAMES.get(loader, ()):
            return True
        if loader == "LossNode":
            return full in listed("losses")
        if loader == "FunctionNode":
            return full in listed("functions") or (
                module in UFUNC_MODULES and isinstance(_member(module, name), np.ufunc)
            )
        if loader == "ObjectNode":
            if full in listed("estimators") | listed("state") | listed("own"):
                return isinstance(_member(module, name), type)
            return _is_technique(module, name) or self._of_plugin(module, name) is not None
        if loader in {"ConstructorFromReduceNode", "TupleNode"}:
            found = self._of_plugin(module, name)
            needed = enum.Enum if loader == "ConstructorFromReduceNode" else tuple
            return found is not None and issubclass(found, needed)
        return False

    def _of_plugin(self, module: str, name: str) -> type[Any] | None:
        """Return a class that a plugin defines; only the plugin's own modules are imported for it."""
        if _package(module) not in self._packages:
            return None
        for plugin in self._plugins:
            if _package(plugin) == _package(module):
                with contextlib.suppress(Exception):  # a plugin that cannot be imported has no types
                    import_module(plugin)
        found = getattr(sys.modules.get(module), name, None)
        return found if isinstance(found, type) and found.__module__ == module else None


def _package(module: str) -> str:
    return module.partition(".")[0]


def _is_technique(module: str, name: str) -> bool:
    """Whether a name is that of a technique of fairmend, which its own module defines."""
    parts = module.split(".")
    if parts[:2] != ["fairmend", "plugins"] or not all(part.isidentifier() for part in parts):
        return False
    found = _member(module, name)
    return isinstance(found, type) and issubclass(found, Technique) and found.__module__ == module


def _member(module: str, name: str) -> Any:
    """Return a member of a module that is allowed; None where this version of it lacks one."""
    try:
        return getattr(import_module(module), name, None)
    except ImportError:
        return None
