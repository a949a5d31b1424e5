"""Model files made by hand: the schema of skops, node by node, and the archive around it."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import numpy as np
import skops.io

Node = dict[str, Any]


def node(loader: str, name: str, **fields: Any) -> Node:
    """Return a node that bears the full name of a type."""
    module, _, member = name.rpartition(".")
    return {"__class__": member, "__module__": module, "__loader__": loader, **fields}


def value(content: Any) -> Node:
    return node("JsonNode", "builtins.str", content=json.dumps(content), is_json=True)


def several(kind: str, *items: Any) -> Node:
    """Return a list, tuple or set of nodes; other values become nodes."""
    loader = {"list": "ListNode", "tuple": "TupleNode", "set": "SetNode"}[kind]
    return node(loader, f"builtins.{kind}", content=[i if is_node(i) else value(i) for i in items])


def mapping(name: str = "builtins.dict", **items: Any) -> Node:
    kinds = [node("TypeNode", "builtins.str") for _ in items]
    content = {key: item if is_node(item) else value(item) for key, item in items.items()}
    return node("DictNode", name, content=content, key_types=several("list", *kinds))


def thing(name: str, **attributes: Any) -> Node:
    """Return an object that is made without its constructor and given these attributes."""
    return node("ObjectNode", name, content=mapping(**attributes))


def is_node(item: Any) -> bool:
    return isinstance(item, dict) and "__loader__" in item


def array(file: str, name: str = "numpy.ndarray") -> Node:
    return node("NdArrayNode", name, type="numpy", file=file)


def npy(values: Any, **more: Any) -> bytes:
    out = io.BytesIO()
    np.save(out, np.asarray(values), **more)
    return out.getvalue()


def packed(schema: Any, files: dict[str, bytes] | None = None, protocol: Any = 2, **more: Any) -> bytes:
    """Return an archive with a schema (a node, or text as it is) and files."""
    text = schema if isinstance(schema, (str, bytes)) else json.dumps({**schema, "protocol": protocol})
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", **more) as archive:
        for name, content in (files or {}).items():
            archive.writestr(name, content)
        archive.writestr("schema.json", text)
    return out.getvalue()


def unpacked(model: Any) -> tuple[Node, dict[str, bytes]]:
    """Return the schema of a model and the other members of its file."""
    with zipfile.ZipFile(io.BytesIO(skops.io.dumps(model))) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    return json.loads(files.pop("schema.json")), files


def found(schema: Any, loader: str) -> Node:
    """Return the first node of a kind."""
    queue = [schema]
    while queue:
        item = queue.pop(0)
        if isinstance(item, dict):
            if item.get("__loader__") == loader:
                return item
            queue += item.values()
        elif isinstance(item, list):
            queue += item
    raise LookupError(loader)
