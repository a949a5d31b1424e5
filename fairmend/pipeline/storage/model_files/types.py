"""The names allowed in a model file: an exact list, and classes defined by installed plugins.

A prefix such as ``pandas.`` is not enough: some classes below it evaluate a string or open a file when
instantiated. So only names that fitted models need are allowed (``types.json``, which the tests compare
with scikit-learn and its code), and only modules named in the list are imported.
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
# Modules of elementwise functions in numpy and SciPy, which access no files.
UFUNC_MODULES = (
    "numpy",
    "numpy._core._multiarray_umath",
    "numpy._core.umath",
    "scipy.special",
    "scipy.special._ufuncs",
)
# The names allowed for each kind of node, where they are few. A constructor calls a type with content
# of the file, so it has its own list.
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
    """The names allowed in a model file.

    Parameters
    ----------
    plugins : iterable of str
        Modules of installed third-party plugins. Classes defined there, or in the same package,
        are allowed; names that such a module imports from elsewhere are not.
    """

    def __init__(self, plugins: Iterable[str] = ()) -> None:
        self._plugins = tuple(plugins)
        self._packages = {_package(name) for name in self._plugins} - {_package(__name__)}

    def check(self, loader: str, module: str, name: str) -> None:
        """Check that this name is allowed for a node of this kind.

        Raises
        ------
        ForbiddenTypeError
            It is not allowed.
        """
        full = f"{module}.{name}"
        if "." in name or not self._is_allowed(loader, module, name, full):
            if loader == "FunctionNode":
                raise ForbiddenTypeError(
                    f"would call {full}, which is neither arithmetic of numpy nor a score of scikit-learn"
                )
            raise ForbiddenTypeError(
                f"contains the type {full}, which no model of scikit-learn and no installed plugin needs"
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
                with contextlib.suppress(Exception):  # a plugin that cannot be imported contributes no types
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
    """Return an allowed member of a module; None if this version lacks it."""
    try:
        return getattr(import_module(module), name, None)
    except ImportError:
        return None
