"""Checks of form: metadata, documentation, parameters, imports."""

from __future__ import annotations

import ast
import difflib
import inspect
import re
import sys
from functools import cache
from importlib.util import resolve_name
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils._param_validation import Interval, StrOptions

from fairmend.catalog.findings import fairmend_finding_kinds
from fairmend.core.errors import ParameterError
from fairmend.core.technique import Technique
from fairmend.testing.driving import instance
from fairmend.testing.suite import check

HEAVY = {
    "aif360", "causallearn", "cvxpy", "dowhy", "fairlearn", "faiss", "imblearn", "lightgbm", "optuna", "ot",
    "sentence_transformers", "tensorflow", "torch", "xgboost",
}  # fmt: skip
YEAR = re.compile(r"\(\d{4}\)|\b(19|20)\d{2}\b")


@check("The metadata is complete: purpose, use cases, and questions for the search.")
def check_metadata_complete(technique: type[Technique]) -> None:
    metadata = technique.metadata
    assert len(metadata.questions) >= 2, "add at least two questions that it answers: the search matches them"
    assert metadata.addresses or metadata.targets, "state the findings it addresses or the notions it targets"
    assert metadata.name != metadata.slug, "name is for people, slug for programs"
    if metadata.needs_protected_at_prediction:
        assert metadata.legal_notes, (
            "a rule that reads the protected attribute for decisions needs legal_notes"
        )
    known = technique._get_param_names()
    for adjustment in metadata.adjustments:
        assert adjustment.parameter in known, (
            f"adjustment of {adjustment.parameter!r}, which is not a parameter"
        )
    for parameter in metadata.required_parameters:
        assert parameter in known, f"it requires {parameter!r}, which is not a parameter"
    for measure, parameter in metadata.target_parameters.items():
        assert parameter in known, f"the bound on {measure} goes to {parameter!r}, which is not a parameter"
    for notion, parameters in metadata.notion_parameters.items():
        stray = sorted(set(parameters) - set(known))
        assert not stray, f"settings for {notion} name {', '.join(stray)}, which is not a parameter"
        instance(technique, **parameters).check_parameters()


@check("The finding kinds it addresses exist.", lambda t: bool(t.metadata.addresses))
def check_known_findings(technique: type[Technique]) -> None:
    """A name that nobody defines is never found by it; one that is nearly right is a slip of the pen.

    Another plugin may define a kind that is not installed here, so only slips are faults for third parties.
    """
    kinds = [kind.kind for kind in fairmend_finding_kinds()]
    for name in technique.metadata.addresses:
        close = difflib.get_close_matches(name, kinds, n=1, cutoff=0.85)
        assert name in kinds or not close, f"it addresses {name!r}; did you mean {close[0]!r}?"
        assert name in kinds or isinstance(technique.metadata.technique_id, str), (
            f"it addresses {name!r}, which the catalog does not define"
        )


@check("The citation is a key of the bibliography, or a full reference with a year.")
def check_citation_resolves(technique: type[Technique]) -> None:
    citation = technique.metadata.citation
    if isinstance(technique.metadata.technique_id, int):
        from fairmend.catalog.references import cite

        assert YEAR.search(cite(citation)), f"{citation!r} has no year"
    else:
        assert YEAR.search(citation), f"{citation!r} is not a full reference: name authors, year and title"
        assert len(citation) > 15, f"{citation!r} is not a full reference: name authors, year and title"


@check("Parameters, constraints and the docstring agree.")
def check_parameters_documented(technique: type[Technique]) -> None:
    parameters = set(technique._get_param_names())
    constrained = set(technique._parameter_constraints)
    assert constrained == parameters, f"constraints and parameters differ: {sorted(constrained ^ parameters)}"
    text = inspect.getdoc(technique) or ""
    section = re.search(r"Parameters\n-+\n(.*?)(\n\n[A-Z][A-Za-z ]+\n-+\n|\Z)", text, re.S)
    listed = re.findall(r"^(\w+(?:, \w+)*) :", section.group(1), re.M) if section else []
    named = {name.strip() for item in listed for name in item.split(",")}
    assert named == parameters, (
        f"the docstring's Parameters and the constructor differ: {sorted(named ^ parameters)}"
    )


@check("The constructor only assigns its parameters.")
def check_constructor_only_assigns(technique: type[Technique]) -> None:
    if technique.__init__ is object.__init__:
        return
    signature = inspect.signature(technique.__init__)
    for name, parameter in signature.parameters.items():
        if name == "self":
            continue
        assert parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD), (
            f"{name} is not a named parameter"
        )
        assert parameter.default is not parameter.empty, f"{name} has no default"
    sentinel = {name: object() for name in technique._get_param_names()}
    made = technique(**sentinel)
    for name, value in sentinel.items():
        assert getattr(made, name) is value, f"the constructor changes or checks {name}; check at fit instead"
    extra = set(vars(made)) - set(sentinel)
    assert not extra, f"the constructor sets {sorted(extra)} in addition to its parameters"


@check("clone and set_params work as in scikit-learn.")
def check_clone_and_set_params(technique: type[Technique]) -> None:
    made = instance(technique)
    copy = clone(made)
    assert copy is not made
    assert set(copy.get_params(deep=False)) == set(made.get_params(deep=False))
    for name, value in made.get_params(deep=False).items():
        assert copy.set_params(**{name: value}) is copy


@check(
    "A parameter out of its range raises an error before any data is used.",
    lambda t: bool(t._parameter_constraints),
)
def check_bad_parameters(technique: type[Technique]) -> None:
    instance(technique).check_parameters()
    for name, allowed in technique._parameter_constraints.items():
        bad = _outside(allowed)
        if bad is None:
            continue
        try:
            instance(technique, **{name: bad}).check_parameters()
        except ParameterError:
            continue
        raise AssertionError(f"{name}={bad!r} is out of its range but was accepted")


def _outside(allowed: list[Any]) -> Any:
    if any(
        a in ("boolean", "no_validation") or a in (str, object, dict, list)
        for a in allowed
        if not isinstance(a, (Interval, StrOptions))
    ):
        return None
    intervals = [a for a in allowed if isinstance(a, Interval)]
    if intervals:
        lows = [i.left for i in intervals if i.left is not None and np.isfinite(i.left)]
        if len(lows) == len(intervals):
            kind = intervals[0].type
            low = min(lows)
            return int(low) - 7 if kind is Integral else float(low) - 7.5 if kind is Real else None
        return None
    if any(isinstance(a, StrOptions) for a in allowed):
        return "no such option"
    return None


@check("Importing the module imports no optional or heavy package.")
def check_import_is_free(technique: type[Technique]) -> None:
    top = technique.__module__.partition(".")[0]
    seen: set[str] = set()
    waiting = [technique.__module__]
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        for name in _imported_with(module):
            root = name.partition(".")[0]
            assert root not in HEAVY, (
                f"{root} is imported with {module}; import it in the function that uses it"
            )
            if root == top and name in sys.modules:
                waiting.append(name)


@cache
def _imported_with(module: str) -> tuple[str, ...]:
    """Return the modules that are imported when a module is, as its source tells."""
    found = sys.modules[module]
    package = found.__package__ or ""
    names: list[str] = []
    waiting: list[ast.AST] = [*ast.parse(inspect.getsource(found)).body]
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting += node.orelse
        elif isinstance(node, ast.Import):
            names += [a.name for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = (
                resolve_name("." * node.level + (node.module or ""), package) if node.level else node.module
            )
            names += [str(base), *(f"{base}.{a.name}" for a in node.names)]
        else:
            waiting += ast.iter_child_nodes(node)
    return tuple(names)
