"""A causal graph as a field of a document: its nodes and edges, whatever file it came from."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator

from fairmend.core.causal.graph import CausalGraph


def _content(value: Any) -> Any:
    if value is None:
        return None
    return (value if isinstance(value, CausalGraph) else CausalGraph.from_mapping(value)).to_mapping()


GraphContent = Annotated[dict[str, Any] | None, BeforeValidator(_content)]
"""A mapping as :meth:`.graph.CausalGraph.to_mapping` returns it; a handwritten one may be shorter."""
