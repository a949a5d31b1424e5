"""Causal graphs that cannot be: each is refused in a line, and no technique works on."""

from __future__ import annotations

import pytest

ROLES = ("--data", "jobs.csv", "--outcome", "hired", "--favorable", "yes", "--protected", "sex")

# name of the file -> content, pattern of the error
FILES = {
    "not there": ("gone.dot", None, "there is no graph file gone.dot"),
    "cycle": (
        "g.dot",
        "digraph { sex -> score; score -> years; years -> score; score -> hired }",
        "no cycle",
    ),
    "no direction in DOT": (
        "g.dot",
        "digraph { sex -> hired; score -- years }",
        "score -- years has none; give",
    ),
    "no direction by dir": ("g.dot", "digraph { sex -> hired; score -> years [dir=none] }", "score -- years"),
    "no direction in YAML": (
        "g.yaml",
        "{edges: [[sex, hired]], undirected: [[years, score]]}",
        "years -- score",
    ),
    "both kinds of edge": (
        "g.yaml",
        "{edges: [[sex, hired]], undirected: [[hired, sex]]}",
        "also a directed",
    ),
    "an undirected graph": ("g.dot", "graph { sex -- hired }", "expected 'digraph'"),
    "unknown column": ("g.json", '{"edges": [["sex", "scroe"], ["scroe", "hired"]]}', "scroe"),
    "outcome as a cause": ("g.dot", "digraph { sex -> hired -> score }", "hired -> score"),
    "edges that are numbers": ("g.json", '{"edges": [[1, 2]]}', "list of column names"),
    "one key misspelt": ("g.yaml", "{edges: [], undirekted: []}", "takes the keys"),
    "the same edge twice": ("g.yaml", "edges: [[sex, hired], [sex, hired]]", "must occur once"),
    "a bomb of aliases": (
        "g.yaml",
        "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
        + "".join(
            f"{c}: &{c} [{', '.join([f'*{p}'] * 10)}]\n" for p, c in zip("abcde", "bcdef", strict=True)
        ),
        "more than|too large|takes the keys|key 'edges'",
    ),
    "a graph within itself": ("g.yaml", "graph: &g {edges: *g}", "YAML|itself|must be a list"),
    "bytes": ("g.dot", b"\xff\xfe\x00digraph", "not UTF-8"),
    "a line that never ends": ("g.dot", 'digraph { "' + "x" * 100_000, "cannot read the DOT text at line 1"),
}


@pytest.mark.parametrize("technique", ["56", "67"])
@pytest.mark.parametrize("case", FILES)
def test_a_graph_that_cannot_be_is_refused_in_a_line(case, technique, refused, arena):
    name, content, pattern = FILES[case]
    if content is not None:
        (arena / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    refused("technique", "run", technique, *ROLES, "--graph", name, match=pattern)


KNOWLEDGE = {
    "not a pair": ("required=[[score]]", r"list of pairs \[cause, effect\]"),
    "not a list": ("required=score", "required"),
    "unknown column": ("forbidden=[[scroe, years]]", "did you mean score"),
    "a cycle": ("required=[[score, years], [years, score]]", "no cycle"),
    "against the roles": ("required=[[score, sex]]", "required and also forbidden"),
    "two tiers at once": ("tiers=[[score], [years, score]]", "'score' twice"),
    "against time": ("required=[[hired, score]]", "required and also forbidden"),
    "level": ("alpha=2", "alpha"),
}


@pytest.mark.parametrize("case", KNOWLEDGE)
def test_knowledge_that_contradicts_itself_is_refused(case, refused):
    said, pattern = KNOWLEDGE[case]
    refused("technique", "run", "52", *ROLES, "-p", said, "-o", "g.dot", match=pattern)


# -- graphs that steer a run, an audit or a pipeline ----------------------------------------------

STEERING = FILES | {
    "no protected attribute": (
        "g.dot",
        "digraph { score -> hired }",
        "must contain the protected attribute 'sex'",
    ),
    "no outcome": ("g.dot", "digraph { sex -> score }", "must contain the outcome 'hired'"),
    "a folder": (".", None, "there is no graph file"),
    "entities in GraphML": (
        "g.graphml",
        '<!DOCTYPE g [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]><graphml><graph><node id="&b;"/></graph></graphml>',
        "must not declare",
    ),
    "GraphML that is none": ("g.graphml", "<graphml><graph>", "cannot read the GraphML"),
    "an empty file": ("g.yaml", "", "must be a list; got None"),
}
GOOD = "digraph { sex -> score; score -> hired; years -> hired; sex -> hired }"


def write(arena, name, content):
    if content is not None:
        (arena / name).write_bytes(content if isinstance(content, bytes) else content.encode())


@pytest.mark.parametrize("verb", ["run", "run a pipeline", "audit"])
@pytest.mark.parametrize("case", STEERING)
def test_a_graph_that_cannot_be_ends_everything_before_it_begins(case, verb, refused, arena):
    name, content, pattern = STEERING[case]
    write(arena, name, content)
    command = {
        "run": ("run", *ROLES),
        "run a pipeline": ("run", "light.yaml", "--data", "jobs.csv"),
        "audit": ("audit", "jobs.csv", *ROLES[2:]),
    }[verb]
    refused(*command, "--graph", name, match=pattern)
    assert not (arena.parent / "store" / "runs.sqlite").exists()


@pytest.mark.parametrize("attributes", ["sex,years", "years"])
def test_every_protected_attribute_must_be_in_the_graph(attributes, refused, arena):
    (arena / "g.dot").write_text("digraph { sex -> score; score -> hired }")
    roles = (*ROLES[2:-1], attributes, "--bins", "years=6")
    refused("audit", "jobs.csv", *roles, "--graph", "g.dot", match="protected attribute 'years'")


def test_a_resolving_variable_that_nothing_influences(refused, arena):
    (arena / "g.dot").write_text(GOOD)
    command = ("audit", "jobs.csv", *ROLES[2:], "--resolving", "years", "--graph", "g.dot")
    refused(*command, match="resolving variable must be influenced")


IN_PIPELINES = {
    "missing column in the graph": ("graph: {edges: [[sex, scroe], [scroe, hired]]}\n", "", "scroe"),
    "cycle in the graph": ("graph: {edges: [[sex, score], [score, sex]]}\n", "", "no cycle"),
    "no outcome in the graph": ("graph: {edges: [[sex, score]]}\n", "", "the outcome 'hired'"),
    "a graph that is a text": ("graph: sex\n", "", "mapping with the key 'edges'"),
    "a graph that is a list": ("graph: [1]\n", "", "mapping with the key 'edges'"),
    "missing column in a step": ("", "parameters: {edges: [[sex, scroe], [scroe, hired]]}", "scroe"),
    "missing column in an alternative": (
        "",
        "alternatives: [{technique: 53, slug: causal-graph-construction, parameters: {edges: [[sex, scroe], [scroe, hired]]}}]",
        "scroe",
    ),
    "missing file in a step": ("", "parameters: {edges: gone.dot}", "no graph file gone.dot"),
    "no attribute in a step": ("", "parameters: {edges: [[score, hired]]}", "protected attribute 'sex'"),
}  # fmt: skip


@pytest.mark.parametrize("case", IN_PIPELINES)
def test_a_pipeline_with_a_graph_that_cannot_be_never_runs(case, refused, arena):
    head, step, pattern = IN_PIPELINES[case]
    causal = "- technique: 53\n  slug: causal-graph-construction\n  stage: causal\n"
    causal += f"  {step}\n" if step else ""
    text = (arena / "light.yaml").read_text().replace("steps:\n", f"{head}steps:\n{causal}")
    (arena / "graph.yaml").write_text(text)
    refused("run", "graph.yaml", "--data", "jobs.csv", match=pattern)
    assert not (arena.parent / "store" / "runs.sqlite").exists()


@pytest.mark.data
def test_the_graph_of_compas_that_passed_gate_1_is_an_error(cli, tmp_path, data_dir, monkeypatch):
    monkeypatch.setenv("FAIRMEND_HOME", str(tmp_path / "store"))
    graph = tmp_path / "g.yaml"
    graph.write_text("edges: [[race, priors], [priors, two_year_recid]]")
    data = data_dir / "compas" / "compas_two_years.csv.gz"
    roles = ("--outcome", "two_year_recid", "--favorable", "0", "--protected", "race")
    done = cli("run", "--data", data, *roles, "--graph", graph, "--assume-approved")
    assert done.code in (1, 2)
    assert done.out == ""
    assert len(done.errors) == 1
    assert "causal graph: no column is called 'priors'; did you mean priors_count" in done.errors[0]


# -- a revised graph ------------------------------------------------------------------------------

CAUSAL = "- {technique: 53, slug: causal-graph-construction, stage: causal}\n"


@pytest.fixture
def waiting(arena, cli):
    """A light run that waits for approvals, with the graph that everyone agreed on."""
    (arena / "good.dot").write_text(GOOD)
    (arena / "graph.yaml").write_text(
        (arena / "light.yaml").read_text().replace("steps:\n", f"seed: 2\nsteps:\n{CAUSAL}")
    )
    done = cli("run", "graph.yaml", "--data", "jobs.csv", "--graph", "good.dot", "--json")
    assert (done.code, done.json["status"]) == (3, "waiting")
    return done.json


def test_a_revision_that_cannot_be_leaves_the_run_as_it_was(waiting, refused, cli, arena):
    before = cli("status", "latest", "--json").json
    head = cli("verify", "latest", "--json").json["head"]
    for case in ("cycle", "unknown column", "no outcome", "no protected attribute", "bytes"):
        name, content, pattern = STEERING[case]
        write(arena, name, content)
        refused("resume", "latest", "--graph", name, match=pattern)
    assert cli("status", "latest", "--json").json == before
    assert cli("verify", "latest", "--json").json["head"] == head


def test_a_rejected_graph_is_revised_and_both_stay_on_record(waiting, cli, arena):
    run = waiting["run_id"]
    for role in ("domain expert", "compliance officer"):
        reject = ("--reject", "--note", "years matter") if role == "domain expert" else ()
        assert cli("approve", run, "--gate", "gate-1", "--role", role, "--by", role[:6], *reject).code == 0
    assert cli("status", run, "--json").json[0]["status"] == "rejected"
    (arena / "new.yaml").write_text("edges: [[sex, years], [years, hired], [score, hired]]")
    done = cli("resume", run, "--graph", "new.yaml", "--json")
    assert (done.code, done.json["status"]) == (3, "waiting"), done.err
    edges = [(e["from"], e["to"]) for e in done.json["graph"]["edges"]]
    assert ("sex", "years") in edges
    assert ("sex", "score") not in edges
    assert [
        ("sex", "score") in [(e["from"], e["to"]) for e in g["edges"]] for g in done.json["former_graphs"]
    ] == [True]
    states = {a["role"]: a["state"] for a in done.json["approvals"]}
    assert states == {"domain expert": "answered", "compliance officer": "for an earlier rule"}
    said = done.json["technique_results"]["causal-graph-construction"]["contradictions"]
    assert any(one["columns"] == ["sex", "score"] and one["value"] > 0.2 for one in said)
    assert cli("verify", run).code == 0
    again = cli("resume", run, "--json")
    assert again.json == done.json


def test_only_an_open_run_takes_another_graph(arena, cli, refused):
    (arena / "good.dot").write_text(GOOD)
    text = (arena / "light.yaml").read_text().replace("steps:\n", "seed: 2\nsteps:\n")
    (arena / "seed.yaml").write_text(text)
    done = cli("run", "seed.yaml", "--data", "jobs.csv", "--assume-approved", "--json")
    assert done.json["status"] == "deployable"
    refused("resume", "latest", "--graph", "good.dot", match="is deployable; only a run that is waiting")
