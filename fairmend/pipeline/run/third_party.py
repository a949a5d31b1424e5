"""Third-party steps and rules, run in a separate process and validated before use.

Results are exchanged in the formats of the run store: data as numbers and JSON, models through the
reader that rejects unknown types. Nothing is unpickled.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fairmend.core.case import Case, Effect
from fairmend.core.causal.graph import CausalGraph
from fairmend.core.data.dataset import Dataset
from fairmend.core.errors import FairmendError, PluginError
from fairmend.core.hooks.markers import PROJECT
from fairmend.core.models.decision_rule import FairModel
from fairmend.core.safety.containment import contained, described, is_ours
from fairmend.core.serialization import to_plain
from fairmend.core.stages.postprocessing import UNCERTAINTY
from fairmend.core.technique import Technique
from fairmend.pipeline.storage.frames import dump_frame, load_frame
from fairmend.pipeline.storage.model_files import dump_model, load_model
from fairmend.pipeline.storage.parts import array_bytes, array_of, json_bytes, unzipped, zipped
from fairmend.pipeline.storage.training_data import dump_data, load_data

PARTS = ("train", "calibration", "validation")


def strangers(technique: Any, model: FairModel | None = None) -> list[Technique]:
    """Return the third-party ones among a technique and the parts of a model."""
    found = [technique, *(model.parts if model is not None else ())]
    return [t for t in found if isinstance(t, Technique) and not is_ours(type(t))]


def package_of(technique: Technique) -> str:
    """Return the top-level module that a technique comes from."""
    return type(technique).__module__.partition(".")[0]


def run_step(technique: Any, case: Case) -> tuple[Case, Effect]:
    """Run a step; isolated if it, or a part of the model, comes from a third party.

    Raises
    ------
    FairmendError
        Errors of this type raised by the technique.
    PluginError
        It raises anything else, ends its process, exceeds a limit, modifies its input in place, or
        fits a rule that cannot decide on the validation rows.
    """
    theirs = strangers(technique, case.model)
    if not theirs:
        found: tuple[Case, Effect] = _sure(technique, lambda: technique.run(case))
        return found
    _load_formats()
    content = contained(
        lambda: _packed(case, *_watched(technique, case)),
        plugin=package_of(theirs[0]),
        what=str(technique.metadata.slug),
    )
    return _unpacked(content, case, {package_of(t) for t in theirs})


def score_and_decide(model: FairModel, data: Dataset) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return scores and decisions of a rule on data, as :func:`decided` does."""
    return decided(model, lambda: model.score_and_decide(data.X, data.sensitive, data.key), len(data))


def decided(
    model: FairModel, call: Callable[[], tuple[NDArray[np.float64], NDArray[np.int64]]], n_rows: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the scores and decisions that a call gets from a rule.

    If a part of the rule comes from a third party, the call runs isolated.

    Raises
    ------
    FairmendError
        Errors of this type raised by the call.
    PluginError
        It raises anything else, ends its process, exceeds a limit, or does not return one decision per row.
    """
    theirs = strangers(None, model)
    if not theirs:
        return call()
    slug = theirs[0].metadata.slug
    content = contained(
        lambda: zipped(dict(zip(("scores", "decisions"), map(array_bytes, call()), strict=True))),
        plugin=package_of(theirs[0]),
        what=f"the prediction of {slug}",
    )
    parts = unzipped(content)
    scores, decisions = (array_of(parts[n]) for n in ("scores", "decisions"))
    if scores.shape != (n_rows,) or decisions.shape != (n_rows,) or not np.isin(decisions, (0, 1)).all():
        raise PluginError(f"the rule with {slug} must return one decision (0 or 1) per row ({n_rows} rows)")
    return scores.astype(float), decisions.astype(np.int64)


def transform_and_score(model: FairModel, data: Dataset) -> tuple[pd.DataFrame, NDArray[np.float64]]:
    """Return the features as the estimator reads them, and the scores; contained as in :func:`decided`.

    Raises
    ------
    PluginError
        As :func:`decided`.
    """
    theirs = strangers(None, model)
    if not theirs:
        return model.transform_and_score(data.X, data.sensitive)

    def packed() -> bytes:
        frame, scores = model.transform_and_score(data.X, data.sensitive)
        return zipped({"frame": dump_frame(frame.reset_index(drop=True)), "scores": array_bytes(scores)})

    slug = theirs[0].metadata.slug
    parts = unzipped(contained(packed, plugin=package_of(theirs[0]), what=f"the scores of {slug}"))
    frame, scores = load_frame(parts["frame"]), array_of(parts["scores"])
    if len(frame) != len(data) or scores.shape[:1] != (len(data),):
        raise PluginError(f"the rule with {slug} must return one score per row ({len(data)} rows)")
    return frame, scores.astype(float)


def uncertainty(model: FairModel, data: Dataset) -> dict[str, NDArray[Any]]:
    """Return abstentions, prediction sets and intervals of a rule on data; contained as in :func:`decided`.

    Raises
    ------
    PluginError
        As :func:`decided`, or it says nothing for some rows.
    """
    theirs = strangers(None, model)
    if not theirs:
        return model.uncertainty(data.X, data.sensitive)
    slug = theirs[0].metadata.slug
    content = contained(
        lambda: zipped({n: array_bytes(v) for n, v in model.uncertainty(data.X, data.sensitive).items()}),
        plugin=package_of(theirs[0]),
        what=f"the uncertainty of {slug}",
    )
    said = {n: array_of(part) for n, part in unzipped(content).items()}
    short = [n for n, values in said.items() if n not in UNCERTAINTY or values.shape[:1] != (len(data),)]
    if short:
        raise PluginError(f"the rule with {slug} gave no {short[0]} for each of {len(data)} rows")
    return said


def evaluated(technique: Any, **given: Any) -> dict[str, Any]:
    """Return the result of an evaluation; isolated if it comes from a third party."""
    if not strangers(technique):
        found: dict[str, Any] = _sure(technique, lambda: technique.evaluate(**given))
        return found
    content = contained(
        lambda: json.dumps(technique.evaluate(**given)).encode(),
        plugin=package_of(technique),
        what=str(technique.metadata.slug),
    )
    return dict(json.loads(content))


def isolated(
    technique: Any, call: Callable[[], tuple[Mapping[Any, Any], Mapping[str, Any]]], n_rows: int
) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Return arrays of one entry per row, and figures, that a call gets from a technique.

    If it comes from a third party, the call runs isolated.

    Raises
    ------
    FairmendError
        Errors of this type raised by the call.
    PluginError
        It raises anything else, ends its process, exceeds a limit, or an array has another length.
    """

    def plain() -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        arrays, figures = call()
        return {str(n): np.asarray(v) for n, v in arrays.items()}, dict(to_plain(figures))

    if not strangers(technique):
        found: tuple[dict[str, NDArray[Any]], dict[str, Any]] = _sure(technique, plain)
        return found

    def packed() -> bytes:
        arrays, figures = plain()
        return zipped(
            {"figures": json_bytes(figures), **{f"array {n}": array_bytes(v) for n, v in arrays.items()}}
        )

    slug = technique.metadata.slug
    parts = unzipped(contained(packed, plugin=package_of(technique), what=str(slug)))
    figures = json.loads(parts.pop("figures"))
    arrays = {name.removeprefix("array "): array_of(part) for name, part in parts.items()}
    for name, values in arrays.items():
        if values.shape[:1] != (n_rows,):
            raise PluginError(f"{slug} gave {name} of shape {values.shape} for {n_rows} rows")
    return arrays, figures


def _sure(technique: Any, call: Callable[[], Any]) -> Any:
    """Call a built-in technique; an unexpected exception fails the technique, not the run."""
    try:
        return call()
    except FairmendError:
        raise
    except Exception as error:
        raise PluginError(f"{technique.metadata.slug} raised {described(error)}") from error


def _watched(technique: Any, case: Case) -> tuple[Case, Effect]:
    """Run a step and check that its input is unchanged and that the resulting rule can decide."""
    before = {part: getattr(case, part).fingerprint() for part in PARTS}
    after, effect = technique.run(case)
    changed = [part for part in PARTS if getattr(case, part).fingerprint() != before[part]]
    if changed:
        raise PluginError(
            f"{technique.metadata.slug} changed the {' and the '.join(changed)} data in place; it must return a changed copy"
        )
    if after.model is not None and after.model is not case.model:
        data = case.validation
        after.model.score_and_decide(data.X, data.sensitive, data.key)
    return after, effect


def drawn(
    plugin: str, name: str, load: Callable[..., Any], rows: int, seed: int
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return frame and roles of an example data set; loaded in isolation if from a third party.

    Raises
    ------
    PluginError
        The loader raises, or does not return a frame with roles.
    """

    def call() -> tuple[pd.DataFrame, dict[str, Any]]:
        found = load(n_rows=rows, random_state=seed)
        if not (
            isinstance(found, Mapping)
            and isinstance(found.get("frame"), pd.DataFrame)
            and isinstance(found.get("roles"), Mapping)
        ):
            raise PluginError(
                f"the data set {name} of the plugin {plugin} must be a mapping with frame and roles, "
                f"got {type(found).__name__}"
            )
        return found["frame"], dict(found["roles"])

    if plugin.startswith(f"{PROJECT}."):
        return call()

    def packed() -> bytes:
        frame, roles = call()
        return zipped({"frame": dump_frame(frame), "roles": json_bytes(roles)})

    parts = unzipped(contained(packed, plugin=plugin, what=f"the data set {name}"))
    return load_frame(parts["frame"]), dict(json.loads(parts["roles"]))


# -- formats --------------------------------------------------------------------------------------


def _load_formats() -> None:
    """Import the reader and writer of models before forking, so that each child need not."""
    import skops.io  # noqa: F401


def _packed(before: Case, after: Case, effect: Effect) -> bytes:
    parts = {
        "step": json_bytes(
            {
                "effect": effect.to_json(),
                "graph": None if after.graph is None else after.graph.to_mapping(),
                "repair": after.repair,
                "leave_out": after.leave_out,
                "results": {k: v for k, v in after.results.items() if before.results.get(k) is not v},
            }
        )
    }
    if after.model is not before.model:
        parts["model"] = dump_model(after.model)
    if after.train is not before.train:
        parts["train"] = dump_data(after.train)
    return zipped(parts)


def _unpacked(content: bytes, before: Case, packages: Iterable[str]) -> tuple[Case, Effect]:
    parts = unzipped(content)
    step = json.loads(parts["step"])
    case = before.replace(
        results={**before.results, **step["results"]},
        repair=tuple(step["repair"]),
        leave_out=tuple(step["leave_out"]),
    )
    if step["graph"] is not None:
        case = case.replace(graph=CausalGraph.from_mapping(step["graph"]))
    if "train" in parts:
        case = case.replace(train=_sharing(load_data(parts["train"], before.train), before.train))
    if "model" in parts:
        case = case.replace(model=load_model(parts["model"], tuple(packages), what="the fitted rule"))
    raw = step["effect"]
    return case, Effect(raw["kind"], raw["share"], raw["text"], raw["size"], raw["detail"])


def _sharing(train: Dataset, former: Dataset) -> Dataset:
    """Return training data that reuses the objects of the earlier one where they are equal."""
    same: dict[str, Any] = {
        name: getattr(former, name)
        for name in ("X", "sensitive")
        if getattr(train, name).equals(getattr(former, name))
    }
    for name in ("y", "weights", "own_weights"):
        one, other = getattr(train, name), getattr(former, name)
        if one is not None and other is not None and np.array_equal(one, other):
            same[name] = other
    return replace(train, **same)
