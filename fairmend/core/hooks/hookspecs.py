"""What a plugin can contribute, on one page.

A plugin is a module (or object) named by an entry point of the group ``fairmend``. It implements
any of these hooks with the marker :data:`fairmend.core.hooks.markers.hookimpl`. All hooks are asked of
all plugins; the answers are joined, and a clash of names is an error that names both plugins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from fairmend.core.hooks.markers import hookspec

if TYPE_CHECKING:
    from fairmend.core.findings import FindingKind


@hookspec
def fairmend_techniques() -> Iterable[type]:  # type: ignore[empty-body]
    """Return technique classes.

    Called when the catalog is read and the plugin's source has changed since the last time.
    Each class derives from the base class of a stage and carries ``metadata``.
    """


@hookspec
def fairmend_finding_kinds() -> Iterable[FindingKind]:  # type: ignore[empty-body]
    """Return kinds of audit finding beyond those that are there.

    Called when an audit, a recommendation or the index is made.
    """


@hookspec
def fairmend_gate_checks() -> Mapping[str, Callable[..., Any]]:  # type: ignore[empty-body]
    """Return gate checks by name, for use in the policies of pipelines.

    Called when a policy is read. A check is a pure function of the measurements of a stage; it
    returns a value with its interval and support, which the policy holds against a threshold.
    """


@hookspec
def fairmend_encoders() -> Mapping[str, Callable[[], Any]]:  # type: ignore[empty-body]
    """Return factories of text encoders by name, for the index.

    Called when an encoder is asked for by name. What a factory returns has ``encode(texts)``, which
    gives an array of unit vectors, shape (n, d), and ``name``, which identifies the weights.
    """


@hookspec
def fairmend_datasets() -> Mapping[str, Callable[..., Any]]:  # type: ignore[empty-body]
    """Return example data sets by name.

    Called when a data set is asked for by name. A loader takes ``n_rows`` and ``random_state`` and
    returns a mapping with ``frame`` (DataFrame), ``roles`` (mapping) and, if there is one, ``graph``.
    """
