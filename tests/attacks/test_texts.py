"""Hostile names in every document that is written and on the terminal: they are shown and never act."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from markdown_it import MarkdownIt
from rich.console import Console
from rich.table import Table

from fairmend import api
from fairmend.catalog.policy import load_policy
from fairmend.cli.output import PlainConsole, styled
from fairmend.cli.pipelines import print_record
from fairmend.core.text.escaping import (
    ACTING,
    is_formula,
    json_text,
    markdown,
    markdown_code,
    mermaid_label,
    one_line,
    shown,
    visible,
)
from fairmend.core.text.yaml_text import yaml_text
from fairmend.pipeline.spec import load_spec
from fairmend.reports import verdict_table, write_report
from fairmend.reports.drawing import draw

HOSTILE = {
    "colors": "\x1b[31mred\x1b[0m",
    "title of the window": "\x1b]0;owned\x07",
    "link of a terminal": "\x1b]8;;http://evil\x1b\\x\x1b]8;;\x1b\\",
    "C1": "\x9b2J\x85next",
    "carriage return": "bad\rgood",
    "backspace": "bad\x08\x08\x08ok",
    "null": "a\x00b",
    "reversed": "\u202egnp.exe",
    "isolated": "\u2066a\u2069",
    "marks of direction": "a\u200e\u200f\u061cb",
    "no width": "fe\u200bmale\ufeff\u2060",
    "joiner": "a\u200db",
    "separators": "a\u2028b\u2029c",
    "tags": "a\U000e0041",
    "surrogate": "a\udc80",
    "lines": "x\n\n# Approved by God\n\nfairmend: error: no",
    "heading": "# Approved by God",
    "underline": "===",
    "rule": "---",
    "list": "- [x] approved",
    "numbered": "1. first",
    "quote": "> quoted",
    "link": "[click](javascript:alert(1))",
    "image": "![x](http://evil/p.png)",
    "definition": "[a]: http://evil",
    "reference": "[a][b]",
    "bare link": "https://evil.example www.evil.example",
    "angle link": "<https://evil.example>",
    "tag": "<script>alert(1)</script>",
    "attribute": '" onload="alert(1)',
    "comment": "<!-- hidden -->",
    "entity": "&lt;b&gt; &#60;",
    "emphasis": "**bold** _it_ ~~gone~~ `code`",
    "cell": "a | b || c",
    "backslash": "a\\",
    "mathematics": "$\\frac{1}{$",
    "markup of rich": "[bold red]x[/bold red][/]",
    "broken markup": "\\[/nothing]",
    "emoji": ":smile:",
    "formula": "=HYPERLINK(1)",
    "Mermaid": '"] --> deploy; click a "javascript:alert(1)',
}
GOOD = ("José", "東京", "Ελλάδα", "می‌خواهم", "👩‍🔬", "a & b < c", "two_year_recid")
cases = pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)


class Tags(HTMLParser):
    """The tags of a page with their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, tuple[str, ...]]] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, tuple(name for name, _ in attrs)))
        self.links += [value or "" for name, value in attrs if name in ("href", "src", "action")]

    def handle_data(self, data: str) -> None:
        self.text += data


def rendered(text: str) -> str:
    return MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(text)


@cases
def test_what_is_visible_does_not_act_and_keeps_names_apart(text):
    clean = visible(text)
    assert not ACTING.search(clean)
    assert "\x1b" not in clean
    assert visible(clean) == clean
    assert clean.encode("utf-8")
    assert len({visible(other) for other in HOSTILE.values()}) == len(HOSTILE)


@pytest.mark.parametrize("text", GOOD)
def test_names_of_people_stay_as_they_are(text):
    assert visible(text) == one_line(text) == text
    assert rendered(markdown(text)).count("<") == rendered("x").count("<")
    assert Tags(rendered(markdown(text))).text.strip() == text


FRAMES = {"{}": "{}", "- {}": "{}", "x {} y": "x {} y", "**{}**: z": "{}: z", "1. {}": "{}"}


@cases
@pytest.mark.parametrize("frame", FRAMES)
def test_markdown_shows_the_text_and_nothing_else(text, frame):
    page = Tags(rendered(frame.format(markdown(text))))
    assert page.found == Tags(rendered(frame.format("x"))).found
    assert page.links == []
    assert " ".join(page.text.split()) == FRAMES[frame].format(one_line(text))


@cases
def test_a_cell_of_markdown_stays_one_cell(text):
    page = Tags(rendered(f"| a | b |\n|---|---|\n| {markdown(text)} | {markdown_code(text)} |\n"))
    assert [tag for tag, _ in page.found].count("td") == 2
    assert {tag for tag, _ in page.found} <= {"table", "thead", "tbody", "tr", "th", "td", "code"}


@cases
def test_the_console_prints_one_line_as_it_reads(text, tmp_path):
    for terminal in (False, True):
        with open(tmp_path / "out", "w+", encoding="utf-8") as file:
            console = PlainConsole(
                file=file, markup=False, emoji=False, highlight=False, width=300, force_terminal=terminal, color_system=None,
            )  # fmt: skip
            table = Table("name", text, title=text)
            table.add_row(text, styled((text, "bold")))
            console.print(text)
            console.print(styled("of ", (text, "")))
            console.print(table)
            file.seek(0)
            printed = file.read().splitlines()
        assert printed[0] == visible(text).replace("\n", " ")
        assert printed[1].startswith("of ")
        assert not any(ACTING.search(re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in printed)


@cases
def test_json_is_exact_and_does_not_act(text):
    written = json_text({text: [text]})
    assert json.loads(written) == {text: [text]}
    assert not ACTING.search(written)


@cases
def test_yaml_is_exact_and_does_not_act(text):
    written = yaml_text({"name": [text]})
    assert not ACTING.search(written)
    if "\udc80" not in text:
        assert yaml.safe_load(written) == {"name": [text]}


@cases
def test_a_label_of_mermaid_stays_between_its_quotes(text):
    label = mermaid_label(text)
    assert not re.search(r'["<>\n`]', label)
    assert not ACTING.search(label)


@cases
def test_an_error_quotes_it_on_one_line(refused, text):
    match = "not valid UTF-8" if re.search("[\x00\udc80]", text) else "no technique is called"
    message = refused("technique", "show", "--", text, match=match)
    assert not ACTING.search(message)


FORMULAS = ("=1+1", "+1+cmd", "-1+cmd", "@SUM(A1)", "\t=1", "\r=1", "=", "-", "+49 30 1")
NUMBERS = ("-1.5", "+3", "-.5", "1e-3", "-2E+5", "-3%", "text", "a=b", "", " x")


@pytest.mark.parametrize("cell", FORMULAS)
def test_a_formula_is_known(cell):
    assert is_formula(cell)


@pytest.mark.parametrize("cell", NUMBERS)
def test_a_number_is_no_formula(cell):
    assert not is_formula(cell)


def test_what_an_error_quotes_is_bounded():
    for value in ("x" * 10**6, 10**5000, b"\xff" * 1000, ["a"] * 1000, float("nan")):
        assert len(shown(value)) <= 80


def test_floats_are_written_as_people_write_them():
    assert yaml_text({"bound": 0.1 + 0.2, "small": 1e-9}) == "bound: 0.3\nsmall: 1.0e-09\n"


# -- every document of a run whose names are hostile ------------------------------------------------

GROUPS = ("<script>alert(1)</script>|\x1b[31m# x", "[click](javascript:alert(1)) \u202e\n\n# Approved by God")
COLUMN = '"><img src=x onerror=alert(1)>\x1b]0;owned\x07 $x$ [a](http://evil)'
PERSON = "Eve\x1b[2J\n\n# Approved [by](javascript:alert(1)) <b>all</b>"


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    rng = np.random.default_rng(3)
    group = rng.choice(GROUPS, 3000)
    skill = rng.normal(0, 1, 3000) + 0.8 * (group == GROUPS[0])
    label = np.where(skill + rng.normal(0, 0.7, 3000) > 0.4, "=yes", "<no>")
    path = tmp_path_factory.mktemp("spec") / "p.yaml"
    spec = {
        "fairmend": 1,
        "name": PERSON,
        "learner": "logistic_regression",
        "roles": {
            "outcome": "label",
            "favorable": "=yes",
            "protected": [COLUMN],
            "mediators": ["skill # [x](y)"],
        },
        "steps": [
            {"technique": 53, "slug": "causal-graph-construction", "stage": "causal", "reason": PERSON},
            {"technique": 9, "slug": "group-thresholds", "stage": "post-processing"},
        ],
    }
    path.write_text(yaml.safe_dump(spec), encoding="utf-8")
    frame = pd.DataFrame({COLUMN: group, "skill # [x](y)": skill, "label": label})
    made = api.run(path, frame, assume_approved=True)
    made.notes.append(PERSON)
    return made


@pytest.fixture(scope="module")
def report(record, tmp_path_factory):
    return write_report(record, tmp_path_factory.mktemp("out")).parent


def test_the_page_holds_no_tag_of_a_name(report):
    text = (report / "report.html").read_text()
    page = Tags(text)
    assert not ACTING.search(text)
    assert "script" not in {tag for tag, _ in page.found}
    assert not any(name.startswith("on") for _, names in page.found for name in names)
    assert all(link.startswith("data:image/") for link in page.links)
    assert [tag for tag, _ in page.found].count("h1") == 1
    assert "<script>alert(1)</script>" in page.text


def test_the_markdown_holds_no_structure_of_a_name(report):
    text = (report / "report.md").read_text()
    page = Tags(rendered(text))
    assert not ACTING.search(text)
    assert [tag for tag, _ in page.found].count("h1") == 1
    assert not {"script", "b", "a"} & {tag for tag, _ in page.found}
    assert all(re.fullmatch(r"[a-z-]+\.(png|svg)", link) for link in page.links)
    assert not re.search(r"^\s*# Approved", text, re.MULTILINE)
    assert "Approved by God" in page.text


def test_the_record_holds_the_names_exactly(report):
    text = (report / "run.json").read_text()
    assert not ACTING.search(text)
    assert set(json.loads(text)["data"]["groups"]) == set(GROUPS)


def test_the_pipeline_reads_back_as_it_was(report, record):
    text = (report / "pipeline.yaml").read_text()
    assert not ACTING.search(text)
    assert load_spec(report / "pipeline.yaml") == record.spec


def test_the_drawing_is_sound_and_holds_nothing_that_acts(report):
    text = (report / "pipeline.svg").read_text()
    tree = ElementTree.fromstring(text)  # noqa: S314 - written by us
    assert not ACTING.search(text)
    assert not [e for e in tree.iter() if e.tag.endswith(("script", "image", "foreignObject"))]


def test_the_mermaid_holds_one_statement_a_line(record, tmp_path):
    text = Path(draw(record.spec, load_policy("playbook"), tmp_path / "p.mmd")).read_text()
    assert not ACTING.search(text)
    assert "click" not in re.sub(r'"[^"]*"', "", text)
    assert text.count('"') % 2 == 0


def test_the_terminal_shows_nothing_that_acts(record, capsys):
    print_record(record)
    shown_text = capsys.readouterr().out
    assert not ACTING.search(shown_text)
    assert not re.search(r"^# Approved", shown_text, re.MULTILINE)
    assert "alert(1)" in shown_text


def test_a_table_is_safe_on_any_console(record, tmp_path):
    with open(tmp_path / "out", "w+", encoding="utf-8") as file:
        Console(file=file, width=200).print(verdict_table(record.baseline, record.final, record.tests))
        file.seek(0)
        assert not ACTING.search(file.read())
