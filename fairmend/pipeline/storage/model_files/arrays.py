"""Checks of arrays in a model file: actual length, and valid indices.

Compiled code follows the indices in a tree (of children and features) unchecked, so an index out of
range would crash the process, and a cycle would never end.
"""

from __future__ import annotations

import io
import math
from functools import lru_cache
from typing import Any

import numpy as np
import scipy.sparse
from numpy.lib import format as npy

from fairmend.pipeline.storage.model_files.archive import Archive
from fairmend.pipeline.storage.model_files.errors import DamagedFileError

LEAF = -1
# Size in bytes of the header length, by version of the format.
_LENGTHS = {b"\x01": 2, b"\x02": 4}


def check_array(content: bytes) -> tuple[int, ...]:
    """Return the shape of an array in numpy's format from its header.

    Raises
    ------
    DamagedFileError
        It is not an array, contains objects, or its size differs from its header.
    """
    length = _LENGTHS.get(content[6:7], 2)
    start = 8 + length + int.from_bytes(content[8 : 8 + length], "little")
    try:
        shape, dtype = _header(content[:start])
    except Exception as error:  # a manipulated header may raise anything
        raise DamagedFileError("it contains an array whose header cannot be read") from error
    if dtype.hasobject:
        raise DamagedFileError("it contains an array of pickled objects, which run code when they are read")
    count, held = math.prod(shape), len(content) - start
    if min(shape, default=0) < 0 or count * dtype.itemsize != held or (count and not dtype.itemsize):
        raise DamagedFileError(f"it holds an array of shape {shape} in {held:,} bytes")
    return shape


@lru_cache(maxsize=1024)
def _header(head: bytes) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return shape and dtype; cached because the many small arrays of a forest share few headers."""
    stream = io.BytesIO(head)
    read = npy.read_array_header_1_0 if npy.read_magic(stream) == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read(stream)
    return tuple(shape), dtype


def read_array(content: bytes) -> np.ndarray[Any, Any]:
    """Return an array in numpy's format."""
    check_array(content)
    found: np.ndarray[Any, Any] = np.load(io.BytesIO(content), allow_pickle=False)
    return found


def check_sparse(content: bytes, budget: int) -> None:
    """Check that a sparse matrix, an archive of arrays, is bounded and has valid indices.

    Raises
    ------
    DamagedFileError
        It is not.
    """
    archive = Archive(content, budget)
    for name in sorted(archive.names):
        check_array(archive.read(name))
    try:
        found: Any = scipy.sparse.load_npz(io.BytesIO(content))
        if found.format in {"csr", "csc", "bsr"}:
            found.check_format(full_check=True)
        elif found.format == "coo":
            found.tocsr().check_format(full_check=True)
    except Exception as error:  # manipulated members may raise anything
        raise DamagedFileError("it contains an inconsistent sparse matrix") from error


def check_nodes(content: bytes, n_features: int, n_nodes: int) -> None:
    """Check the nodes of a decision tree: children come after their parent, features exist.

    Raises
    ------
    DamagedFileError
        A node leads outside of the tree, or back.
    """
    nodes = read_array(content)
    names = nodes.dtype.names or ()
    if nodes.ndim != 1 or len(nodes) != n_nodes or not {"left_child", "right_child", "feature"} <= {*names}:
        raise DamagedFileError("it contains a tree without nodes")
    inner = nodes["left_child"] != LEAF
    _check_places(
        nodes[inner], np.flatnonzero(inner), ("left_child", "right_child"), "feature", n_features, n_nodes
    )


def check_boosted_nodes(content: bytes, n_features: int, n_bitsets: int) -> None:
    """Check the nodes of a histogram-boosted tree, as :func:`check_nodes` does.

    Raises
    ------
    DamagedFileError
        A node leads outside of the tree, or back.
    """
    nodes = read_array(content)
    needed = {"left", "right", "feature_idx", "is_leaf", "is_categorical", "bitset_idx"}
    if nodes.ndim != 1 or not len(nodes) or not needed <= {*(nodes.dtype.names or ())}:
        raise DamagedFileError("it contains a tree without nodes")
    inner = nodes["is_leaf"] == 0
    _check_places(
        nodes[inner], np.flatnonzero(inner), ("left", "right"), "feature_idx", n_features, len(nodes)
    )
    if (nodes["bitset_idx"][inner & (nodes["is_categorical"] != 0)] >= n_bitsets).any():
        raise DamagedFileError("it contains a tree whose nodes lead outside of it")


def _check_places(
    nodes: np.ndarray[Any, Any],
    places: np.ndarray[Any, Any],
    children: tuple[str, str],
    feature: str,
    n_features: int,
    n_nodes: int,
) -> None:
    valid = all(((nodes[c] > places) & (nodes[c] < n_nodes)).all() for c in children)
    if not valid or not ((nodes[feature] >= 0) & (nodes[feature] < n_features)).all():
        raise DamagedFileError("it contains a tree whose nodes lead outside of it, or back")


def check_neighbors_tree(
    points: bytes, order: bytes, nodes: bytes, bounds: bytes, levels: int, size: int
) -> None:
    """Check a k-d tree or ball tree: its nodes are ranges of its points, a parent's twice as long.

    Raises
    ------
    DamagedFileError
        A node leads outside of the tree.
    """
    data, places, ranges, boxes = (read_array(part) for part in (points, order, nodes, bounds))
    valid = (
        data.ndim == 2
        and places.shape == (len(data),)
        and ranges.shape == (size,)
        and 0 < levels < 64
        and size == 2**levels - 1
        and boxes.shape[1:] == (size, data.shape[1])
        and {"idx_start", "idx_end", "is_leaf"} <= {*(ranges.dtype.names or ())}
        and ((places >= 0) & (places < len(data))).all()
        and ((ranges["idx_start"] >= 0) & (ranges["idx_start"] <= ranges["idx_end"])).all()
        and (ranges["idx_end"] <= len(data)).all()
        and (ranges["is_leaf"][size // 2 :] != 0).all()
    )
    if not valid:
        raise DamagedFileError("it contains a tree of neighbors whose nodes lead outside of it")
