"""The rows of ``techniques.py``: a technique and its peer, a module a stage; see there how to add one."""

from __future__ import annotations

from _pairs import causal, evaluation, inprocessing, postprocessing, preprocessing
from _pairs.pair import PAIRS, Pair

__all__ = ["PAIRS", "Pair", "causal", "evaluation", "inprocessing", "postprocessing", "preprocessing"]
