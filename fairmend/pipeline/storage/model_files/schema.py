"""The schema of a model file, checked node by node before any object is created.

skops writes a model as a tree of nodes: a node names a type and the loader that recreates it, and contains
the nodes that this requires. Each loader that models need has its check here; files with other loaders are
rejected. Among the rejected ones are the loaders of bound methods and of ``operator.methodcaller``, which
would let a file choose what is called.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from fairmend.pipeline.storage.model_files.archive import SCHEMA, Archive
from fairmend.pipeline.storage.model_files.arrays import (
    check_array,
    check_boosted_nodes,
    check_neighbors_tree,
    check_nodes,
    check_sparse,
)
from fairmend.pipeline.storage.model_files.errors import DamagedFileError, ForbiddenTypeError
from fairmend.pipeline.storage.model_files.types import ARRAYS, BIT_GENERATORS, ModelTypes

PROTOCOLS = (1, 2)
MAX_DEPTH = 100
MAX_NODES = 1_000_000
HEADER = frozenset({"__class__", "__module__", "__loader__", "__id__"})
MAX_SPARSE = 2**30
MOST_ENTROPY_WORDS = 64
# Text must come from the rows themselves, never from files named in the rows.
CONTENT_ONLY = frozenset({"CountVectorizer", "HashingVectorizer", "TfidfVectorizer"})
# Estimators that check the number of features and then pass rows to their compiled trees.
TREE_OWNERS = (
    "sklearn.ensemble._forest",
    "sklearn.ensemble._gb",
    "sklearn.ensemble._hist_gradient_boosting.gradient_boosting",
    "sklearn.tree._classes",
)
NEIGHBORS = ("sklearn.neighbors._kd_tree", "sklearn.neighbors._ball_tree")

Node = dict[str, Any]


class SchemaCheck:
    """One check of one file.

    Parameters
    ----------
    archive : Archive
        The file.
    types : ModelTypes
        The allowed names.

    Attributes
    ----------
    names : set of str
        The full names of all types in the file, after the check.
    """

    def __init__(self, archive: Archive, types: ModelTypes) -> None:
        self.names: set[str] = set()
        self._archive = archive
        self._types = types
        self._nodes: dict[int, Node] = {}
        self._count = 0
        self._files: dict[str, int | None] = {}
        self._sound: set[tuple[Any, ...]] = set()
        self._checked: set[tuple[str, str, str]] = set()

    def run(self, schema: Any) -> None:
        """Check the whole file.

        Raises
        ------
        ForbiddenTypeError
            It contains a forbidden name.
        DamagedFileError
            It differs from what skops writes.
        """
        if not isinstance(schema, dict):
            raise DamagedFileError("its schema is not an object")
        protocol = schema.get("protocol")
        if type(protocol) is not int or protocol not in PROTOCOLS:
            raise DamagedFileError(
                f"it is written in protocol {str(protocol)[:20]} of skops, not {PROTOCOLS[-1]}"
            )
        self._node({k: v for k, v in schema.items() if k not in {"protocol", "_skops_version"}}, 0, None)
        stray = self._archive.names - self._files.keys() - {SCHEMA}
        if stray:
            raise DamagedFileError(f"nothing in it refers to its member {min(stray)[:80]!r}")

    def _node(self, node: Any, depth: int, features: int | None, *among: str) -> Node:
        """Check a node and its contents.

        Parameters
        ----------
        node : dict
            The node of the schema.
        depth : int
            Its nesting depth.
        features : int or None
            Number of features of the estimator it is part of.
        *among : str
            The loaders allowed here; default: all.
        """
        self._count += 1
        if depth > MAX_DEPTH or self._count > MAX_NODES:
            raise DamagedFileError(f"it contains more than {MAX_DEPTH} nested or {MAX_NODES:,} nodes")
        if not isinstance(node, dict):
            raise DamagedFileError("its schema contains a node that is not an object")
        loader, module, name = (node.get(k) for k in ("__loader__", "__module__", "__class__"))
        if not (isinstance(loader, str) and isinstance(module, str) and isinstance(name, str)):
            raise DamagedFileError("its schema contains a node without a type")
        if loader not in RULES:
            raise ForbiddenTypeError(
                f"contains a {loader[:40]} ({module[:80]}.{name[:80]}), which could call anything"
            )
        if among and loader not in among:
            raise DamagedFileError(f"its schema contains a {loader} where {' or '.join(among)} belongs")
        if (loader, module, name) not in self._checked:
            self._types.check(loader, module, name)
            self._checked.add((loader, module, name))
            self.names.add(f"{module}.{name}")
        fields, rule = RULES[loader]
        if node.keys() - HEADER not in fields:
            raise DamagedFileError(f"its schema contains a {loader} with unexpected fields")
        self._remember(node)
        rule(self, node, depth + 1, features)
        return node

    def _remember(self, node: Node) -> None:
        """Check that nodes with the same id, of which skops loads only the first, are equal."""
        identity = node.get("__id__")
        if identity is None:
            return
        if type(identity) is not int:
            raise DamagedFileError("its schema contains a node whose id is not a number")
        first = self._nodes.setdefault(identity, node)
        if first is not node and not _alike(first, node):
            raise DamagedFileError("its schema contains two different nodes with the same id")

    # -- containers -------------------------------------------------------------------------------

    def _dict(self, node: Node, depth: int, features: int | None) -> None:
        content = _mapping(node["content"])
        kinds = self._node(node["key_types"], depth, None, "ListNode")
        for kind in kinds["content"]:
            if kind["__loader__"] != "TypeNode":
                raise DamagedFileError("its schema contains a mapping whose keys have no type")
        if len(kinds["content"]) != len(content):
            raise DamagedFileError(
                "its schema contains a mapping with different numbers of keys and key types"
            )
        for value in content.values():
            self._node(value, depth, features)

    def _default_dict(self, node: Node, depth: int, features: int | None) -> None:
        content = _mapping(node["content"], "main", "default_factory")
        self._node(content["main"], depth, features, "DictNode")
        self._node(content["default_factory"], depth, None, "TypeNode", "JsonNode")

    def _sequence(self, node: Node, depth: int, features: int | None) -> None:
        for item in _list(node["content"]):
            self._node(item, depth, features)

    def _slice(self, node: Node, depth: int, features: int | None) -> None:
        ends = _mapping(node["content"], "start", "stop", "step")
        if not all(end is None or isinstance(end, (int, str)) for end in ends.values()):
            raise DamagedFileError("its schema contains a slice with an invalid index")

    # -- leaves -----------------------------------------------------------------------------------

    def _name(self, node: Node, depth: int, features: int | None) -> None:
        """Nothing more to check: the node has only a name."""

    def _json(self, node: Node, depth: int, features: int | None) -> None:
        _value(node)

    def _bytes(self, node: Node, depth: int, features: int | None) -> None:
        self._member(node)

    # -- arrays and random numbers ----------------------------------------------------------------

    def _array(self, node: Node, depth: int, features: int | None) -> None:
        is_array = f"{node['__module__']}.{node['__class__']}" in ARRAYS
        if node["type"] == "numpy" and "file" in node:
            content = self._member(node)
            if content is not None and check_array(content) and not is_array:
                raise DamagedFileError("its schema has an array in place of a number")
        elif node["type"] == "json" and "content" in node and is_array:
            for item in _list(node["content"]):
                self._node(item, depth, features)
            shape = self._node(node["shape"], depth, None, "TupleNode")
            if not all(type(_number(size)) is int for size in shape["content"]):
                raise DamagedFileError("its schema contains an array without a shape")
        else:
            raise DamagedFileError("its schema contains an array of an unknown kind")

    def _masked(self, node: Node, depth: int, features: int | None) -> None:
        for part in _mapping(node["content"], "data", "mask").values():
            self._node(part, depth, None, "NdArrayNode")

    def _sparse(self, node: Node, depth: int, features: int | None) -> None:
        content = self._member(node)
        if content is not None:
            check_sparse(content, MAX_SPARSE)

    def _dtype(self, node: Node, depth: int, features: int | None) -> None:
        self._node(node["content"], depth, None, "NdArrayNode")

    def _random_state(self, node: Node, depth: int, features: int | None) -> None:
        self._node(node["content"], depth, None, "DictNode")

    def _generator(self, node: Node, depth: int, features: int | None) -> None:
        parts = _mapping(node["content"])
        if not {"bit_generator"} <= parts.keys() <= {"bit_generator", "seed_seq"}:
            raise DamagedFileError("its schema contains a random generator without a state")
        state, *seeds = (
            self._node(parts[name], depth, None, "DictNode")["content"]
            for name in ("bit_generator", "seed_seq")
            if name in parts
        )
        if _value(state.get("bit_generator")) not in BIT_GENERATORS:
            raise ForbiddenTypeError("contains a random generator that is not one of numpy")
        for seed in seeds:
            if "pool_size" in seed and not 0 < _number(seed["pool_size"]) <= MOST_ENTROPY_WORDS:
                raise DamagedFileError("its schema contains a random generator with an invalid pool size")

    # -- objects ----------------------------------------------------------------------------------

    def _object(self, node: Node, depth: int, features: int | None) -> None:
        if node.get("content") is None:
            return
        state = node["content"]
        attributes = _mapping(state.get("content")) if _loader(state) == "DictNode" else {}
        if node["__class__"] in CONTENT_ONLY and _value(attributes.get("input")) != "content":
            raise ForbiddenTypeError(
                f"contains a {node['__class__']} that reads files instead of the text of the rows"
            )
        if node["__class__"] == "TreePredictor":
            self._node(state, depth, features)
            self._check_predictor(attributes, features)
            return
        read = None
        if node["__module__"] in TREE_OWNERS and "n_features_in_" in attributes:
            read = _number(attributes["n_features_in_"])
            if features is not None:
                read = min(
                    read, features
                )  # gradient boosting predicts with the tree of an estimator directly
        self._node(state, depth, read, "DictNode", "TupleNode", "JsonNode")
        if node["__module__"] in NEIGHBORS:
            self._check_neighbors(state)

    def _constructor(self, node: Node, depth: int, features: int | None) -> None:
        self._node(node["content"], depth, None, "TupleNode")

    def _partial(self, node: Node, depth: int, features: int | None) -> None:
        """Check a partial function, such as the array check in boosting with categories."""
        parts = _mapping(node["content"], "func", "args", "kwds", "namespace")
        self._node(parts["func"], depth, None, "FunctionNode")
        self._node(parts["kwds"], depth, None, "DictNode")
        args = self._node(parts["args"], depth, None, "TupleNode")
        names = self._node(parts["namespace"], depth, None, "DictNode", "JsonNode")
        if args["content"] or (_loader(names) == "DictNode" and names["content"]):
            raise DamagedFileError("its schema contains a partial function with more than keyword arguments")

    def _loss(self, node: Node, depth: int, features: int | None) -> None:
        self._node(_mapping(node["__reduce__"], "args")["args"], depth, None, "TupleNode")
        self._node(node["content"], depth, None, "DictNode", "TupleNode")

    def _tree(self, node: Node, depth: int, features: int | None) -> None:
        args = self._node(_mapping(node["__reduce__"], "args")["args"], depth, None, "TupleNode")["content"]
        state = self._node(node["content"], depth, None, "DictNode")["content"]
        if len(args) != 3 or not {"nodes", "node_count"} <= state.keys() or features is None:
            raise DamagedFileError("its schema contains a tree without nodes, or outside of an estimator")
        limits = min(_number(args[0]), features), _number(state["node_count"])
        self._once(check_nodes, state["nodes"], *limits)

    def _check_predictor(self, state: Node, features: int | None) -> None:
        if features is None or not {"nodes", "raw_left_cat_bitsets"} <= state.keys():
            raise DamagedFileError("its schema contains a tree without nodes, or outside of an estimator")
        [n_bitsets, *_] = (*check_array(self._stored(state["raw_left_cat_bitsets"])), 0)
        self._once(check_boosted_nodes, state["nodes"], features, n_bitsets)

    def _check_neighbors(self, state: Node) -> None:
        parts = _list(state["content"]) if _loader(state) == "TupleNode" else []
        if len(parts) < 7:
            raise DamagedFileError("its schema contains a tree of neighbors without nodes")
        points, order, nodes, bounds = (self._stored(part) for part in parts[:4])
        check_neighbors_tree(points, order, nodes, bounds, _number(parts[5]), _number(parts[6]))

    # -- members of the archive -------------------------------------------------------------------

    def _member(self, node: Node) -> bytes | None:
        """Return the member that a node names, None if it has been checked before.

        A member belongs to nodes with the same id, of which skops reads only the first.
        """
        name, identity = node["file"], node.get("__id__")
        if not isinstance(name, str) or name == SCHEMA:
            raise DamagedFileError("its schema contains an array without a file")
        if name in self._files:
            if identity is None or self._files[name] != identity:
                raise DamagedFileError("its schema contains two nodes with the same file")
            return None
        self._files[name] = identity
        return self._archive.read(name)

    def _once(self, check: Callable[..., None], node: Node, *limits: int) -> None:
        """Check the nodes of a tree, once for each limit that applies to them."""
        if (made := (node.get("file"), *limits)) not in self._sound:
            check(self._stored(node), *limits)
            self._sound.add(made)

    def _stored(self, node: Node) -> bytes:
        if _loader(node) != "NdArrayNode" or not isinstance(node.get("file"), str):
            raise DamagedFileError("its schema contains a tree whose nodes are not an array")
        return self._archive.read(node["file"])


def _alike(first: Any, other: Any) -> bool:
    """Whether two nodes are equal, ignoring ids and files, which skops assigns anew."""
    if isinstance(first, dict) and isinstance(other, dict):
        return first.keys() == other.keys() and all(
            _alike(value, other[key]) for key, value in first.items() if key not in {"__id__", "file"}
        )
    if isinstance(first, list) and isinstance(other, list):
        return len(first) == len(other) and all(map(_alike, first, other))
    return type(first) is type(other) and bool(first == other)


def _loader(node: Any) -> Any:
    return node.get("__loader__") if isinstance(node, dict) else None


def _mapping(value: Any, *keys: str) -> Node:
    if not isinstance(value, dict) or (keys and value.keys() != set(keys)):
        raise DamagedFileError("its schema contains a list or a text where a mapping belongs")
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise DamagedFileError("its schema contains a mapping or a text where a list belongs")
    return value


def _value(node: Any) -> str | float | None:
    """Return the number, string or None that a node contains as JSON."""
    if _loader(node) == "JsonNode" and isinstance(node.get("content"), str):
        try:
            found: Any = json.loads(node["content"])
        except (ValueError, RecursionError):
            found = []
        if found is None or isinstance(found, (str, float, int)):
            return found
    raise DamagedFileError("its schema contains a value that is neither a number nor a text")


def _number(node: Any) -> int:
    """Return the integer that a node contains."""
    found = _value(node)
    if type(found) is not int:
        raise DamagedFileError("its schema contains a size that is not an integer")
    return found


_CONTENT = (frozenset({"content"}),)
_FILE = (frozenset({"file"}),)
_REDUCE = (frozenset({"__reduce__", "content"}),)
# For each loader the sets of fields that its nodes have, and how they are checked.
RULES: dict[str, tuple[tuple[frozenset[str], ...], Callable[[SchemaCheck, Node, int, int | None], None]]] = {
    "BytesNode": (_FILE, SchemaCheck._bytes),
    "ConstructorFromReduceNode": (_CONTENT, SchemaCheck._constructor),
    "DTypeNode": (_CONTENT, SchemaCheck._dtype),
    "DefaultDictNode": (_CONTENT, SchemaCheck._default_dict),
    "DictNode": ((frozenset({"content", "key_types"}),), SchemaCheck._dict),
    "FunctionNode": ((frozenset(),), SchemaCheck._name),
    "JsonNode": ((frozenset({"content", "is_json"}),), SchemaCheck._json),
    "ListNode": (_CONTENT, SchemaCheck._sequence),
    "LossNode": (_REDUCE, SchemaCheck._loss),
    "MaskedArrayNode": (_CONTENT, SchemaCheck._masked),
    "NdArrayNode": (
        (frozenset({"type", "file"}), frozenset({"type", "content", "shape"})),
        SchemaCheck._array,
    ),
    "ObjectNode": ((frozenset(), frozenset({"content"})), SchemaCheck._object),
    "PartialNode": (_CONTENT, SchemaCheck._partial),
    "RandomGeneratorNode": (_CONTENT, SchemaCheck._generator),
    "RandomStateNode": (_CONTENT, SchemaCheck._random_state),
    "SetNode": (_CONTENT, SchemaCheck._sequence),
    "SliceNode": (_CONTENT, SchemaCheck._slice),
    "SparseMatrixNode": ((frozenset({"type", "file"}),), SchemaCheck._sparse),
    "TreeNode": (_REDUCE, SchemaCheck._tree),
    "TupleNode": (_CONTENT, SchemaCheck._sequence),
    "TypeNode": ((frozenset(),), SchemaCheck._name),
}
