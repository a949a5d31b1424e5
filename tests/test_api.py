"""The Python API is whole: what the command line does, results to look at, names that load when used."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import jsonschema
import pandas as pd
import pytest

import fairmend
from fairmend import api
from fairmend.api.documents import write_schemas
from fairmend.core.errors import UnknownNameError
from fairmend.pipeline.compose.explanation import explain

SCHEMAS = Path(__file__).resolve().parents[1] / "docs" / "schemas"
ROLES = {"outcome": "hired", "favorable": "yes", "protected": ["sex"], "mediators": ["score"]}


@pytest.fixture(scope="module")
def audited(jobs_csv):
    return api.audit(jobs_csv, learner="logistic_regression", **ROLES)


@pytest.fixture(scope="module")
def recommended(audited):
    return api.recommend(audited)


@pytest.fixture(scope="module")
def composed(audited):
    return fairmend.compose(audited)


def test_every_name_of_the_api_is_there():
    assert all(callable(getattr(api, name)) for name in api.__all__)
    assert set(fairmend.__all__) - {"hookimpl"} <= set(api.__all__)
    assert set(api.__all__) == set(api._MODULES)
    with pytest.raises(AttributeError, match="no attribute 'compos'"):
        _ = api.compos


def test_importing_the_package_and_its_api_loads_nothing():
    script = (
        "import sys, fairmend, fairmend.api; fairmend.compose; "
        "sys.exit(int(bool({'numpy', 'sklearn', 'pandas', 'torch'} & set(sys.modules))))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_a_pipeline_is_composed_from_an_audit_as_from_its_recommendation(audited, recommended, composed):
    assert composed == api.compose(recommended)
    assert api.compose(audited.to_json()) == composed


def test_constraints_of_a_composition_from_an_audit_hold(audited):
    spec = api.compose(audited, constraints={"retraining": False})
    assert spec.constraints.retraining is False
    assert {step.stage for step in spec.steps} <= {"causal", "post-processing"}


def test_data_sets_and_encoders_of_plugins_are_listed():
    assert {"name": "bank", "plugin": "fairmend.plugins.datasets"} in api.list_datasets()
    assert api.list_encoders() == []
    assert len(api.load_dataset("bank", rows=500)) == 500


def test_an_unknown_learner_is_told_where_the_learners_are_listed(jobs_csv):
    with pytest.raises(UnknownNameError, match="fairmend technique learners lists them"):
        api.audit(jobs_csv, learner="zzz", **ROLES)


def test_learners_are_listed(cli):
    assert cli("technique", "learners", "--json").json == api.list_learners()
    listed = cli("technique", "learners").out
    assert all(learner["name"] in listed for learner in api.list_learners())
    assert all(learner["name"] in cli("run", "--help").out for learner in api.list_learners())


def test_policies_are_compared_in_python_as_on_the_command_line(cli):
    found = api.compare_policies("playbook", "strict")
    assert cli("policy", "diff", "playbook", "strict", "--json").json == found.to_json()
    assert found.first_weaker
    assert not found.second_weaker
    assert api.not_deployable("playbook") == {}
    assert api.identify_policy("playbook").built_in


# -- why a technique is, or is not, in a pipeline -------------------------------------------------


def test_what_is_chosen_is_explained_with_its_reasons(audited, recommended, composed):
    step = next(s for s in composed.steps if s.stage == "pre-processing")
    found = api.explain(step.technique, audited)
    assert found.outcome == "chosen"
    assert found.reasons == next(r for r in recommended.results if r.slug == step.slug).why


def test_an_alternative_names_what_stands_at_its_place(audited, composed):
    step = next(s for s in composed.steps if s.stage == "pre-processing" and s.alternatives)
    found = api.explain(step.alternatives[0].slug, audited)
    assert found.outcome == "alternative"
    assert found.ahead[0] == step.slug
    assert found.reasons[0].startswith(f"{step.slug} was selected instead: ")


def test_what_a_constraint_excludes_is_explained_by_it(audited):
    found = api.explain("instance-weighting", audited, constraints={"retraining": False})
    assert (found.outcome, found.reasons) == ("excluded", ("It is excluded: needs retraining.",))


def test_every_technique_is_explained(audited, recommended):
    registry = api.registry()
    found = {
        entry["slug"]: explain(entry["slug"], recommended, registry=registry)
        for entry in api.list_techniques()
        if entry["stage"] not in {"pre-processing"}
    }
    assert all(e.reasons and all(reason.endswith((".", "]")) for reason in e.reasons) for e in found.values())
    assert {found["expected-calibration-error"].outcome, found["group-thresholds"].outcome} <= {
        "chosen",
        "alternative",
        "ranked",
        "required by the policy",
        "not composed",
        "excluded",
    }
    assert len({e.outcome for e in found.values()}) >= 3


def test_where_nothing_can_be_composed_that_is_the_explanation(recommended):
    last = replace(
        recommended, results=tuple(r for r in recommended.results if r.stage == "evaluation"), excluded=()
    )
    found = explain(last.results[0].slug, last, registry=api.registry())
    assert found.outcome == "ranked"
    assert "no technique that targets demographic_parity satisfies the constraints" in found.reasons[0]
    assert found.reasons[0].endswith("constraints.")


def test_explain_on_the_command_line(audited, cli, tmp_path):
    audited.save(tmp_path / "audit.json")
    told = cli("explain", "31", "--findings", tmp_path / "audit.json", "--json")
    assert (told.code, told.json) == (0, api.explain(31, audited).to_json())
    text = cli(
        "explain", "instance-weighting", "--findings", tmp_path / "audit.json", "-c", "retraining=false"
    )
    assert "excluded" in text.out
    assert "needs retraining" in text.out
    unknown = cli("explain", "instance-waiting", "--findings", tmp_path / "audit.json")
    assert unknown.code == 1
    assert "did you mean instance-weighting" in unknown.err


# -- results to look at ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def results(audited, recommended, composed, jobs_csv, folder):
    """One of each kind of result, by its class."""
    run = api.run(folder / "light.yaml", jobs_csv, assume_approved=True, cv="1x2")
    swept = api.sweep(
        jobs_csv,
        findings=audited,
        learner="logistic_regression",
        depth=1,
        jobs=1,
        store=False,
        constraints={"stage": "post-processing", "randomized": False},
        **ROLES,
    )
    repaired = api.run_technique(69, jobs_csv, features=["score"], **ROLES)
    conformance = api.check_techniques("fairmend.plugins.evaluation._expected_calibration_error")
    query = api.query("the approval rates of two groups differ")
    explained = api.explain(31, audited)
    found = (run, swept, repaired, conformance[0], query, explained, audited, recommended, composed)
    return {type(result).__name__: result for result in found}


KINDS = (
    *("RunRecord", "Sweep", "TechniqueResult", "Conformance", "Answer", "Explanation"),
    *("Audit", "Recommendation", "PipelineSpec"),
)


@pytest.mark.parametrize("kind", KINDS)
def test_a_result_shows_itself_in_a_few_lines(kind, results):
    text = repr(results[kind])
    assert text.startswith(f"{kind}\n")
    assert str(results[kind]) == text
    assert len(text) < 500
    assert len(text.splitlines()) <= 7


@pytest.mark.parametrize("kind", KINDS)
def test_a_result_is_a_table_in_a_notebook_and_a_frame(kind, results):
    html, frame = results[kind]._repr_html_(), results[kind].to_frame()
    assert html.count("<table>") == html.count("</table>") == 2
    assert len(html) < 30_000
    assert isinstance(frame, pd.DataFrame)
    assert len(frame) > 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_result_is_written_as_it_says(kind, results, tmp_path):
    results[kind].save(tmp_path / "result")
    text = (tmp_path / "result").read_text(encoding="utf-8")
    if kind == "PipelineSpec":
        assert text == results[kind].to_yaml()
    else:
        assert set(json.loads(text)) == set(results[kind].to_json())


def test_the_frame_of_a_run_has_its_figures(results):
    run, frame = results["RunRecord"], results["RunRecord"].to_frame()
    row = frame.query("model == 'final' and metric == 'accuracy' and group.isna()").iloc[0]
    figure = run.to_json()["final"]["accuracy"]
    assert [row["value"], row["lower"], row["upper"], row["support"]] == [
        figure["value"],
        *figure["interval"],
        figure["support"],
    ]
    assert set(frame["group"].dropna()) == {"F", "M"}


def test_what_a_result_shows_is_escaped(audited):
    finding = audited.findings[0].model_copy(update={"kind": "<script>alert(1)</script>\x1b[31m"})
    shown = audited.model_copy(update={"subject": "<b>\n</b>\x1b[2J", "findings": (finding,)})
    html = shown._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "\x1b" not in html + repr(shown)
    assert len(repr(shown).splitlines()) == 5


# -- what other programs read ---------------------------------------------------------------------

DOCUMENTED = {
    "audit": "Audit",
    "explanation": "Explanation",
    "pipeline": "PipelineSpec",
    "query": "Answer",
    "recommendation": "Recommendation",
    "run": "RunRecord",
    "sweep": "Sweep",
}


@pytest.fixture(scope="module")
def validators():
    """A validator for each published schema."""
    made = {name: json.loads((SCHEMAS / f"{name}.json").read_text(encoding="utf-8")) for name in DOCUMENTED}
    for schema in made.values():
        jsonschema.Draft202012Validator.check_schema(schema)
    return {name: jsonschema.Draft202012Validator(schema) for name, schema in made.items()}


def test_the_published_schemas_are_those_of_the_records(tmp_path):
    written = {path.name: path.read_text(encoding="utf-8") for path in write_schemas(tmp_path)}
    published = {path.name: path.read_text(encoding="utf-8") for path in SCHEMAS.glob("*.json")}
    assert set(published) == {f"{name}.json" for name in DOCUMENTED} == set(written)
    stale = [name for name in written if written[name] != published[name]]
    assert not stale, f"{', '.join(stale)}: run make schemas"


@pytest.mark.parametrize("name", DOCUMENTED)
def test_a_real_document_is_valid(name, results, validators):
    document = json.loads(json.dumps(results[DOCUMENTED[name]].to_json()))
    assert not [f"{e.json_path}: {e.message}" for e in validators[name].iter_errors(document)]
    version = "fairmend" if name == "pipeline" else "schema_version"
    assert document[version] == 1
    for wrong in ({**document, "unheard_of": 1}, {**document, version: 2}):
        assert not validators[name].is_valid(wrong)


def test_a_run_that_waits_is_a_valid_document(folder, jobs_csv, validators):
    run = api.run(folder / "light.yaml", jobs_csv)
    assert run.status == "waiting"
    assert validators["run"].is_valid(json.loads(json.dumps(run.to_json())))


def test_a_run_says_the_steps_of_its_final_rule(results):
    run = results["RunRecord"]
    steps = next(v.steps for v in run.variants if v.name == run.selected)
    assert run.facts()["steps"] == (" -> ".join(steps) or "none")
    fewer = replace(run, selected="plain model")
    assert fewer.facts()["steps"] == "none"
