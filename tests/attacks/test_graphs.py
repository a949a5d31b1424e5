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
    "the same edge twice": ("g.yaml", "edges: [[sex, hired], [sex, hired]]", "must come once"),
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
