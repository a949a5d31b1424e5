"""The catalog: installed techniques and plugins, search, single techniques, conformance."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairmend.catalog.registry import Registry
from fairmend.core.constraints import Constraints
from fairmend.core.vocabulary import LEARNERS

if TYPE_CHECKING:
    import pandas as pd

    from fairmend.core.technique import Technique
    from fairmend.core.vocabulary import Task
    from fairmend.index import Answer
    from fairmend.pipeline.run_technique import TechniqueResult
    from fairmend.testing import Conformance
    from fairmend.testing.kit import Written

Limits = Constraints | Mapping[str, Any] | Iterable[str] | None
Observer = Callable[[dict[str, Any]], None]


@lru_cache(maxsize=1)
def registry() -> Registry:
    """Return the contributions of the installed plugins."""
    return Registry.installed()


def list_techniques(*, task: Task | None = None) -> list[dict[str, Any]]:
    """Return id, slug, stage, name and citation of every technique, or of those that support a task."""
    from fairmend.catalog.listing import listing

    return listing(registry(), task)


def technique(name: int | str) -> type[Technique]:
    """Return the class of a technique by id or slug.

    Raises
    ------
    UnknownNameError
        No technique has this name; the message suggests similar ones.
    """
    return registry().technique(name)


def describe_technique(name: int | str) -> dict[str, Any]:
    """Return the metadata of a technique, its parameters, and its full reference.

    Raises
    ------
    UnknownNameError
        No technique has this name; the message suggests similar ones.
    """
    from fairmend.catalog.references import cite

    card = registry().card(name)
    return {
        **card.metadata.model_dump(mode="json"),
        "citation": cite(card.metadata.citation),
        "plugin": card.plugin,
        "parameters": list(card.parameters),
    }


def plugins() -> list[dict[str, Any]]:
    """Return name, source, version, contributions and health of every plugin."""
    found = registry()
    numbers = found.numbers()
    return [
        {
            "name": plugin.name,
            "source": plugin.source,
            "version": plugin.version,
            "techniques": numbers.get(plugin.name, {}).get("fairmend_techniques", 0),
            "contributes": {
                hook.removeprefix("fairmend_"): n for hook, n in numbers.get(plugin.name, {}).items() if n
            },
            "health": found.problems.get(plugin.name, found.notices.get(plugin.name, "ok")),
        }
        for plugin in found.plugins
    ]


def list_learners() -> list[dict[str, str]]:
    """Return the learners by name, with what each is."""
    return [{"name": name, "text": text} for name, text in LEARNERS.items()]


def list_encoders() -> list[dict[str, str]]:
    """Return the encoders of texts for :func:`query` by name, with the plugin that contributes each."""
    return [
        {"name": name, "plugin": plugin}
        for plugin, names in registry().names("fairmend_encoders").items()
        for name in names
    ]


def query(text: str, constraints: Limits = None, top: int = 10, *, encoder: str | None = None) -> Answer:
    """Return the techniques that match a question in plain language.

    Parameters
    ----------
    text : str
        The question.
    constraints : mapping, iterable of ``key=value`` or Constraints, optional
        Hard limits; excluded techniques are listed with the reason.
    top : int
        Maximum number of techniques.
    encoder : str, optional
        What turns texts into vectors: one of :func:`list_encoders`, or a model of sentence-transformers;
        by default the bundled one.
    """
    from fairmend import index

    limits = Constraints.parse(constraints)
    return index.query(text, registry=registry(), constraints=limits, top=top, encoder=encoder)


def run_technique(
    name: int | str,
    data: str | Path | pd.DataFrame | None = None,
    *,
    record: str | Path | Mapping[str, Any] | None = None,
    stream: str | Path | pd.DataFrame | None = None,
    features: Sequence[str] | None = None,
    parameters: Mapping[str, Any] | None = None,
    predictions: str | None = None,
    scores: str | None = None,
    graph: str | Path | None = None,
    learner: str = "gradient_boosting",
    seed: int = 0,
    output: str | Path | None = None,
    **roles: Any,
) -> TechniqueResult:
    """Run a single technique on a table, or an operation on the record of a run.

    Parameters
    ----------
    name : int or str
        Id or slug.
    data, **roles
        As in :func:`dataset`; transforming features needs no outcome.
    record : mapping, path or str, optional
        For operations, which read no table: the record of a run, its JSON file, or the id of a stored run.
    stream : path or DataFrame, optional
        For operations that watch decisions: these, a row each, in the order in which they were made.
    features, parameters, predictions, scores, graph, learner, seed
        As in :func:`fairmend.pipeline.run_technique.run_technique`.
    output : path, optional
        Output file: the table (CSV or Parquet) or the document; if there is none, JSON, the causal
        graph for a ``.dot`` or ``.gv`` file, or a picture of what was found for a ``.png`` or ``.svg`` file.

    Raises
    ------
    FairmendError
        The arguments contradict one another, or do not fit the data or record.
    """
    from contextlib import nullcontext

    from fairmend.core.data.files import check_table_name
    from fairmend.core.errors import UsageError
    from fairmend.core.safety.containment import guarded, is_ours
    from fairmend.pipeline.run_technique import run_technique
    from fairmend.pipeline.run_technique.operation import load_record, run_operation
    from fairmend.pipeline.storage.run_store import RunStore

    found = technique(name)
    about = found.metadata
    contained = nullcontext() if is_ours(found) else guarded(registry().card(name).plugin, about.slug)
    if found.stage == "operations":
        for given, what, option in (
            (record, "record", "the record of a run and no table; give --record alone"),
            (stream, "stream", "decisions; give --stream"),
        ):
            if found.reads(what, needed=True) and (given is None or data is not None):
                raise UsageError(f"{about.name} reads {option}")
        known = None if record is None else load_record(record, RunStore(), registry())
        done = run_operation(found, known, parameters, stream)
    else:
        if data is None or record is not None or stream is not None:
            raise UsageError(f"{about.name} reads a table and no record of a run; give --data alone")
        if output is not None and found.stage in ("pre-processing", "in-processing", "post-processing"):
            check_table_name(output)
        frame = _table(data, roles)
        with contained:
            done = run_technique(
                found,
                frame,
                roles=roles,
                features=features,
                parameters=parameters,
                predictions=predictions,
                scores=scores,
                graph=graph,
                learner=learner,
                seed=seed,
            )
    if output is not None:
        _write(done, about.name, output)
    return done


def _table(data: str | Path | pd.DataFrame, roles: Mapping[str, Any]) -> pd.DataFrame:
    import pandas as pd

    from fairmend.core.data.table_reading import exact_columns, read_table

    return data if isinstance(data, pd.DataFrame) else read_table(data, exact_columns(roles))


def _write(done: TechniqueResult, name: str, output: str | Path) -> None:
    """Write what a technique made: a table, a document, a graph, or its figures."""
    from fairmend.core.data.files import write_table, write_text
    from fairmend.core.errors import UsageError
    from fairmend.core.text.escaping import json_text

    if done.table is not None:
        write_table(output, done.table)
    elif len(done.documents) == 1:
        write_text(output, *done.documents.values())
    elif done.documents:
        folder = Path(output)
        folder.mkdir(parents=True, exist_ok=True)
        for file, text in done.documents.items():
            write_text(folder / Path(file).name, text)
    elif Path(output).suffix in {".dot", ".gv"}:
        if done.graph is None:
            raise UsageError(f"{name} makes no causal graph for {output}; name a .json file")
        write_text(output, done.graph.to_dot())
    elif Path(output).suffix in {".png", ".svg"}:
        from fairmend.reports.technique_pictures import write_picture

        write_picture(done, output)
    elif Path(output).suffix in {".csv", ".parquet"}:
        from fairmend.reports.technique_pictures import reliability_table

        if (found := reliability_table(done.figures)) is None:
            raise UsageError(f"{name} makes no table for {output}; name a .json file")
        write_table(output, found)
    else:
        write_text(output, json_text(done.to_json()) + "\n")


def check_techniques(
    target: str | Path | None = None, *, observer: Observer | None = None
) -> list[Conformance]:
    """Run the conformance suite on techniques, and on finding kinds that bring a detector.

    Parameters
    ----------
    target : str or path, optional
        An installed plugin, a module, a folder of a package or a Python file, as in
        :func:`fairmend.testing.resolve.techniques_of`; default: every installed technique.
    observer : callable, optional
        Called for every technique before it is checked.

    Returns
    -------
    list of Conformance
        One per technique and finding kind.
    """
    from fairmend.auditing.contributed_kinds import contributed_kinds
    from fairmend.testing import conformance, kind_conformance
    from fairmend.testing.resolve import kinds_of, techniques_of

    if target is None:
        found = [card.load() for card in registry().cards()]
        kinds = [one.kind for one in contributed_kinds(registry())]
    else:
        found, kinds = techniques_of(target, registry()), kinds_of(target, registry())
    done = []
    for place, technique in enumerate(found, start=1):
        if observer is not None:
            observer({"event": "check", "slug": technique.metadata.slug, "place": place, "of": len(found)})
        done.append(conformance(technique))
    return [*done, *(kind_conformance(kind) for kind in kinds)]


def constraint_keys() -> list[str]:
    """Return the keys of constraints."""
    return list(Constraints.model_fields)


def conformance_checks() -> list[dict[str, str]]:
    """Return name and purpose of the checks of the conformance suite, in order."""
    from fairmend.testing.suite import all_checks

    return [{"name": check.name, "about": check.about} for check in all_checks()]


def new_plugin(name: str, stage: str, folder: str | Path = ".") -> Written:
    """Create a plugin package with a working technique that passes the conformance suite, as a starting point.

    Parameters
    ----------
    name, stage, folder
        As in :func:`fairmend.testing.kit.write_package`.

    Raises
    ------
    UsageError
        The name or stage is not one, or something of the name is there already.
    """
    from fairmend.testing.kit import write_package

    return write_package(name, stage, folder)
