"""Limits that a question states in plain words, such as "we cannot retrain the model"."""

from __future__ import annotations

import re

from fairmend.core.constraints import Constraints

_NOT = (
    r"(?:can(?:no|')t|can not|could not|couldn't|may not|might not|must not|mustn't|should not|do not|don't|does not"
    r"|unable to|impossible to|not|never|no|without)"
)
_ATTRIBUTE = (
    r"(?:(?:protected|sensitive) (?:attributes?|features?)|attributes?|gender|sex|race|ethnicity|age|groups?)"
)
_DECIDING = (
    r"(?:(?:at|for|in|during|when) (?:the |each |every )?"
    r"(?:decisions?|prediction|inference|scoring|deployment|production|deciding|predicting|scoring)\b)"
)
_WORDS = r"(?:[\w']+\s+){0,%d}?"

STATED: dict[str, tuple[str, ...]] = {
    "retraining": (
        rf"{_NOT}\s+{_WORDS % 3}(?:re-?train\w*|new model)\b",
        rf"\bre-?training\s+{_WORDS % 3}(?:impossible|forbidden|not|cannot|isn't|out of the question)\b",
    ),
    "protected_at_prediction": (
        rf"{_NOT}\s+{_WORDS % 3}(?:use|read|access|know|have|see|look at|used?|available|known)\b"
        rf"[^.?!;]{{0,40}}{_ATTRIBUTE}[^.?!;]{{0,30}}{_DECIDING}",
        rf"{_NOT}\s+(?:access to )?{_WORDS % 2}{_ATTRIBUTE}\s+{_WORDS % 2}{_DECIDING}",
        rf"{_ATTRIBUTE}[^.?!;]{{0,25}}\b(?:not|isn't|cannot|can't|unavailable|unknown|missing|forbidden)\b[^.?!;]{{0,25}}{_DECIDING}",
    ),
    "randomized": (
        rf"{_NOT}\s+{_WORDS % 3}(?:randomi[sz]\w*|random (?:decisions?|draws?)|coin (?:toss|flip)(?:es|s)?)\b",
        r"\bdeterministic decisions?\b",
    ),
    "causal_graph": (rf"{_NOT}\s+{_WORDS % 2}causal (?:graph|diagram|dag|model)\b",),
    "labels": (
        r"\b(?:have no|there are no|no|without)\s+(?:\w+\s+)?labels\b(?!\s+(?:bias|noise))",
        r"\bunlabell?ed\b",
    ),
}
"""By constraint, what says that it is false."""


def stated_limits(text: str) -> dict[str, bool]:
    """Return the constraints that a question states, all of them false.

    Examples
    --------
    >>> stated_limits("We cannot retrain the model; how do we reduce the gap?")
    {'retraining': False}
    >>> stated_limits("Can we retrain the model so that the gap is smaller?")
    {}
    """
    said = " ".join(text.lower().replace("\u2019", "'").split())
    return {name: False for name, forms in STATED.items() if any(re.search(form, said) for form in forms)}


def with_stated(constraints: Constraints, text: str) -> Constraints:
    """Return constraints with those that a question states, where they leave a limit open."""
    stated = {k: v for k, v in stated_limits(text).items() if getattr(constraints, k) is None}
    return constraints.model_copy(update=stated)
