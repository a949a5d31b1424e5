"""Plugins at fault, careless and hostile: each is named, and none of them makes or spoils a verdict."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from fairmend import api
from fairmend.base import CausalAnalysis, DataChange, Evaluator, Inprocessor, Postprocessor, Preprocessor
from fairmend.catalog import code_integrity as integrity
from fairmend.catalog.policy import PolicyCheck, load_policy
from fairmend.catalog.registry import Plugin, Registry
from fairmend.core.errors import DataError, FairmendError, PluginError, RunError, UsageError
from fairmend.core.metadata import TechniqueMetadata
from fairmend.core.safety.containment import Limits, contained, guarded, is_ours
from fairmend.pipeline.gates import gate_context, gates
from fairmend.pipeline.gates.checks import CHECKS, Value
from fairmend.pipeline.gates.gates import evaluate_check
from fairmend.pipeline.gates.plugin_checks import PluginCheck, gate_functions
from fairmend.pipeline.run import state_machine
from fairmend.pipeline.run.third_party import evaluated, run_step, score_and_decide
from fairmend.pipeline.run_technique import run_technique
from fairmend.pipeline.storage import step_cache
from fairmend.testing.applies import case_of
from fairmend.testing.driving import small_learner
from fairmend.testing.problems import problem

LIMITS = Limits(seconds=60, gigabytes=2)


def refuse(error: type[BaseException] = ZeroDivisionError, text: object = "by zero") -> Any:
    raise error(text)


# -- a call in a process of its own -------------------------------------------------------------------


def loop() -> None:
    while True:
        time.sleep(0.01)


class OwnError(DataError):
    """An error of a plugin that derives from ours."""


CALLS = {
    "sys.exit(0)": (lambda: sys.exit(0), "raised SystemExit: 0"),
    "sys.exit with words": (lambda: sys.exit("bye"), "raised SystemExit: bye"),
    "os._exit(0)": (lambda: os._exit(0), "exited with code 0 before it finished"),
    "os._exit(7)": (lambda: os._exit(7), "exited with code 7"),
    "keyboard interrupt": (lambda: refuse(KeyboardInterrupt, ""), "raised KeyboardInterrupt$"),
    "generator exit": (lambda: refuse(GeneratorExit, ""), "raised GeneratorExit$"),
    "broken pipe": (lambda: refuse(BrokenPipeError, "gone"), "raised BrokenPipeError: gone"),
    "exception": (refuse, "raised ZeroDivisionError: by zero"),
    "exception of many lines": (lambda: refuse(ValueError, "a\n b\n\nc"), "raised ValueError: a b c$"),
    "exception of great length": (lambda: refuse(ValueError, "x" * 10**6), "raised ValueError: x{300}$"),
    "recursion": (lambda: (f := lambda n: f(n + 1))(0), "raised RecursionError"),
    "abort": (os.abort, "by the signal SIGABRT"),
    "kills itself": (lambda: os.kill(os.getpid(), signal.SIGKILL), "by the signal SIGKILL"),
    "too much memory": (lambda: np.ones(10**9), "raised MemoryError"),
    "returns no bytes": (lambda: "text", "exited with code|can't concat"),
}


@pytest.mark.parametrize("case", CALLS)
def test_what_a_call_does_stays_in_its_process(case, capfd):
    call, message = CALLS[case]
    with pytest.raises(PluginError, match=message) as told:
        contained(call, plugin="acme", what="acme:x", limits=LIMITS)
    assert "acme:x of the plugin acme" in str(told.value)
    assert "\n" not in str(told.value)
    assert capfd.readouterr().out == ""


def test_a_call_that_loops_is_stopped_with_all_that_it_started(tmp_path):
    mark = tmp_path / "pid"

    def start() -> bytes:
        mark.write_text(str(subprocess.Popen(["sleep", "600"]).pid))
        loop()

    with pytest.raises(PluginError, match="took longer than 1 s and was stopped; FAIRMEND_PLUGIN_SECONDS"):
        contained(start, plugin="acme", what="acme:x", limits=Limits(seconds=1))
    state = Path(f"/proc/{mark.read_text()}/stat")
    assert not state.exists() or state.read_text().split()[2] == "Z"


@pytest.mark.parametrize("error", [DataError, UsageError, OwnError])
def test_errors_of_ours_keep_their_kind(error):
    with pytest.raises(FairmendError, match=r"^two groups are needed$") as told:
        contained(lambda: refuse(error, "two groups are needed"), plugin="acme", what="x", limits=LIMITS)
    assert isinstance(told.value, UsageError if error is UsageError else DataError)


PRINTS = {
    "print": lambda: print("hello"),
    "bytes": lambda: os.write(1, b"hello\n"),
    "child process": lambda: subprocess.run(["echo", "hello"], check=True),
    "stderr": lambda: print("hello", file=sys.stderr),
}


@pytest.mark.parametrize("case", PRINTS)
def test_what_a_call_prints_is_shown_on_stderr_under_its_name(case, capfd):
    assert (
        contained(lambda: (PRINTS[case]() and b"") or b"done", plugin="acme", what="x", limits=LIMITS)
        == b"done"
    )
    told = capfd.readouterr()
    assert told.out == ""
    assert told.err == "fairmend: the plugin acme printed: hello\n"


@pytest.mark.parametrize("case", ["print", "bytes", "child process"])
def test_what_guarded_code_prints_is_shown_on_stderr_under_its_name(case, capfd):
    with guarded("acme", "its import"):
        PRINTS[case]()
    told = capfd.readouterr()
    assert (told.out, told.err) == ("", "fairmend: the plugin acme printed: hello\n")


def test_what_is_printed_is_bounded_and_acts_on_no_terminal(capfd):
    def shout() -> bytes:
        print("\x1b[31mred\x07")
        print("long " * 10**6)
        print("\n".join(map(str, range(10**5))))
        return b""

    contained(shout, plugin="acme", what="x", limits=LIMITS)
    told = capfd.readouterr().err
    assert "\x1b" not in told
    assert len(told) < 10_000


@pytest.mark.parametrize("error", [SystemExit, ZeroDivisionError, GeneratorExit])
def test_guarded_code_cannot_end_the_process(error):
    told = f"its import of the plugin acme raised {error.__name__}: 0"
    with pytest.raises(PluginError, match=told), guarded("acme", "its import"):
        refuse(error, 0)


@pytest.mark.parametrize("variable", ["FAIRMEND_PLUGIN_SECONDS", "FAIRMEND_PLUGIN_MEMORY"])
@pytest.mark.parametrize("given", ["soon", "0", "-1", "nan", "inf"])
def test_limits_are_positive_numbers(monkeypatch, variable, given):
    monkeypatch.setenv(variable, given)
    with pytest.raises(UsageError, match=f"{variable} must be a number of .* above 0, got '{given}'"):
        Limits.from_environment()


# -- what private verbs return ------------------------------------------------------------------------


def about(stage: str, **more: Any) -> TechniqueMetadata:
    return TechniqueMetadata(
        technique_id=f"acme:{stage}", slug=f"acme-{stage}", name="Acme", family="toy",
        summary="Does something.", citation="Acme (2020). Doing.", use_when="It is to be tested.", avoid_when="It is not to be tested.",
        **more,
    )  # fmt: skip


ANSWER: list[Any] = [None]


def answer(*given: Any) -> Any:
    return ANSWER[0](*given)


class Weigh(Preprocessor):
    metadata = about("pre-processing", modifies=("weights",))

    def _change(self, X, y, groups, sample_weight):
        return DataChange(sample_weight=answer(X, groups, y, sample_weight))


class Change(Preprocessor):
    metadata = about("pre-processing")

    def _fit(self, X):
        self.fitted_ = True

    def _transform(self, X):
        return answer(X)


class Relabel(Preprocessor):
    metadata = about("pre-processing", modifies=("labels",))

    def _change(self, y, groups):
        return DataChange(y=answer(y))


class Draw(Preprocessor):
    metadata = about("pre-processing", modifies=("rows",))

    def _change(self, X, y, groups, sample_weight):
        return answer(X, groups, y, sample_weight)


class Train(Inprocessor):
    metadata = about("in-processing")

    def _fit(self, y):
        self.rate_ = float(y.mean())

    def _predict_proba(self, X):
        return answer(X)


class Adjust(Postprocessor):
    metadata = about("post-processing")

    def _fit(self, scores):
        pass

    def _adjust(self, scores):
        return answer(scores)


class Look(Evaluator):
    metadata = about("evaluation")

    def _evaluate(self, y_pred, groups):
        return answer(y_pred)


class Analyze(CausalAnalysis):
    metadata = about("causal")

    def _analyze(self, data):
        return answer(data)


def weights_of(X, groups, y, w):
    return np.ones(len(y))


def rows_of(*given, **changes):
    X, groups, y, w = given
    parts = {
        "X": X,
        "sensitive_features": groups.frame,
        "y": y,
        "sample_weight": w,
        "origin": np.arange(len(y)),
    }
    return DataChange(**{**parts, **changes})


RETURNED: dict[str, tuple[type, Any, str]] = {
    "weights: one too few": (Weigh, lambda *g: weights_of(*g)[1:], r"_change \(sample_weight\) of acme-pre-processing returned 599 values for 600 rows"),
    "weights: one too many": (Weigh, lambda *g: np.append(weights_of(*g), 1), "returned 601 values for 600 rows"),
    "weights: a number": (Weigh, lambda *g: 1.0, r"an array of shape \(\)"),
    "weights: a column": (Weigh, lambda *g: weights_of(*g)[:, None], r"an array of shape \(600, 1\)"),
    "weights: words": (Weigh, lambda *g: ["heavy"] * 600, "a list that contains no numbers"),
    "weights: an object": (Weigh, lambda *g: object(), "a object that contains no numbers"),
    "weights: NaN": (Weigh, lambda *g: weights_of(*g) * np.nan, "NaN or infinity in 600 of 600 rows"),
    "weights: infinite": (Weigh, lambda *g: np.append(np.ones(599), np.inf), "NaN or infinity in 1 of 600 rows"),
    "weights: negative": (Weigh, lambda *g: np.append(np.ones(599), -1), "values from -1 to 1; expected values at least 0"),
    "weights: zero": (Weigh, lambda *g: np.zeros(600), "weights that are all zero"),
    "frame: none": (Change, lambda X: None, "_transform of acme-pre-processing returned None; expected a DataFrame"),
    "frame: an array": (Change, lambda X: X.to_numpy(), "a ndarray; expected a DataFrame"),
    "frame: one row too few": (Change, lambda X: X.iloc[1:], "599 rows for 600 rows"),
    "frame: other order": (Change, lambda X: X.iloc[::-1], "another index"),
    "frame: no columns": (Change, lambda X: X[[]], "a frame without columns"),
    "frame: twice a column": (Change, lambda X: X[["skill", "skill"]], "two columns called 'skill'"),
    "frame: infinite": (Change, lambda X: X.assign(skill=np.inf), "infinite values in the feature 'skill'"),
    "labels: a third": (Relabel, lambda y: y + 1, "the label 2; expected 0 or 1"),
    "labels: one too few": (Relabel, lambda y: y[1:], "599 values for 600 rows"),
    "labels: words": (Relabel, lambda y: np.where(y == 1, "yes", "no"), "contains no numbers"),
    "rows: none": (Draw, lambda *g: None, "None; expected a DataChange"),
    "rows: a frame": (Draw, lambda X, *g: X, "a DataFrame; expected a DataChange"),
    "rows: short labels": (Draw, lambda *g: rows_of(*g, y=g[2][1:]), r"_change \(y\) .* 599 values for 600 rows"),
    "rows: short weights": (Draw, lambda *g: rows_of(*g, sample_weight=np.ones(3)), r"\(sample_weight\) .* 3 values for 600 rows"),
    "rows: short attributes": (Draw, lambda *g: rows_of(*g, sensitive_features=g[1].frame[:5]), r"\(sensitive_features\) .* 5 rows for 600"),
    "rows: from nowhere": (Draw, lambda *g: rows_of(*g, origin=np.full(600, 600)), r"\(origin\) .* from -1 to 599"),
    "rows: gone": (Draw, lambda *g: rows_of(*g, X=g[0][:0]), "no rows"),
    "scores: one too few": (Adjust, lambda s: s[1:], "_adjust of acme-post-processing returned 599 values for 600 rows"),
    "scores: above one": (Adjust, lambda s: s + 1, "expected values from 0 to 1"),
    "scores: below zero": (Adjust, lambda s: s - 1, "expected values from 0 to 1"),
    "scores: NaN": (Adjust, lambda s: s * np.nan, "NaN or infinity"),
    "scores: none": (Adjust, lambda s: None, "returned None"),
    "scores: for each class": (Adjust, lambda s: np.column_stack([1 - s, s]), r"shape \(600, 2\)"),
    "probabilities: one too few": (Train, lambda X: np.full(len(X) - 1, 0.5), "_predict_proba of acme-in-processing returned 599 values"),
    "probabilities: for each class": (Train, lambda X: np.full((len(X), 2), 0.5), r"shape \(600, 2\)"),
    "probabilities: logits": (Train, lambda X: np.linspace(-5, 5, len(X)), "values from -5 to 5"),
    "probabilities: NaN": (Train, lambda X: np.full(len(X), np.nan), "NaN or infinity in 600"),
    "figures: none": (Look, lambda e: None, "_evaluate of acme-evaluation returned None; expected a mapping"),
    "figures: a list": (Look, lambda e: [1], "a list; expected a mapping"),
}  # fmt: skip


def use(kind: type) -> Any:
    """Use a technique as a user of the library would, and return what it gives."""
    p, made = problem(), kind()
    known = {"sensitive_features": p.sensitive}
    if kind in (Weigh, Relabel, Draw):
        return made.change(p.X, p.y, **known)
    if kind is Look:
        return made.evaluate(p.y, p.y, p.scores, **known)
    if kind is Adjust:
        return made.fit(p.scores, **known).adjust(p.scores)
    if kind is Train:
        return made.fit(p.X, p.y, **known).predict_proba(p.X)
    return made.fit_transform(p.X, p.y, **known)


@pytest.fixture
def answering():
    """Set what the private verbs of these techniques do."""

    def set_(function: Any) -> None:
        ANSWER[0] = function

    yield set_
    ANSWER[0] = None


@pytest.mark.parametrize("case", RETURNED)
def test_what_a_verb_returns_is_held_against_the_rows(case, answering):
    kind, function, message = RETURNED[case]
    answering(function)
    with pytest.raises(PluginError, match=message) as told:
        use(kind)
    assert "\n" not in str(told.value)


# -- steps of a pipeline ------------------------------------------------------------------------------


def in_place(X, sensitive, y, w):
    X.loc[X.index[0], "skill"] = 99.0
    return np.ones(len(y))


def more_columns(X, sensitive, y, w):
    X["noise"] = 0.0
    return np.ones(len(y))


def labels_in_place(X, sensitive, y, w):
    y[:] = 1 - y
    return np.ones(len(y))


STEPS: dict[str, tuple[type, Any, str]] = {
    "raises": (Weigh, lambda *g: refuse(), "acme-pre-processing of the plugin tests raised ZeroDivisionError: by zero"),
    "exits": (Weigh, lambda *g: sys.exit(0), "raised SystemExit: 0"),
    "ends its process": (Weigh, lambda *g: os._exit(0), "exited with code 0 before it finished"),
    "too few weights": (Weigh, lambda *g: np.ones(3), "returned 3 values for 600 rows"),
    "changes a value in place": (Weigh, in_place, "changed the train data in place; it must return a changed copy"),
    "adds a column in place": (Weigh, more_columns, "changed the train data in place"),
    "cannot decide on other rows": (Change, lambda X: X if len(X) == 600 else X.iloc[1:], "299 rows for 300 rows"),
    "raises at prediction": (Train, lambda X: refuse(), "raised ZeroDivisionError"),
    "ends the process at prediction": (Adjust, lambda s: os._exit(0), "exited with code 0 before it finished"),
    "our error": (Weigh, lambda *g: refuse(DataError, "no such rows"), "^no such rows$"),
}  # fmt: skip


@pytest.fixture(scope="module")
def start():
    return case_of(problem(), small_learner())


@pytest.mark.parametrize("name", STEPS)
def test_a_step_at_fault_is_a_named_error_and_leaves_the_case_alone(name, start, answering):
    kind, function, message = STEPS[name]
    before = {part: getattr(start, part).fingerprint() for part in ("train", "calibration", "validation")}
    answering(function)
    with pytest.raises(FairmendError, match=message):
        run_step(kind(), start)
    assert {part: getattr(start, part).fingerprint() for part in before} == before


def test_a_sound_step_gives_what_it_gives_in_this_process(start, answering):
    answering(lambda X, sensitive, y, w: 1.0 + sensitive.codes)
    apart, effect = run_step(Weigh(), start)
    here, same = Weigh().run(start)
    assert np.array_equal(apart.train.weights, here.train.weights)
    assert apart.train.X is start.train.X
    assert effect.to_json() == same.to_json()
    for one, other in zip(
        score_and_decide(apart.fitted(), start.validation),
        score_and_decide(here.fitted(), start.validation),
        strict=True,
    ):
        assert np.array_equal(one, other)


ALONE: dict[str, tuple[Any, str]] = {
    "raises": (
        lambda s: refuse(),
        "acme-post-processing of the plugin tests raised ZeroDivisionError: by zero",
    ),
    "exits": (lambda s: sys.exit(0), "raised SystemExit: 0"),
    "ends its process": (lambda s: os._exit(0), "exited with code 0 before it finished"),
    "too few scores": (lambda s: s[1:], r"_adjust of acme-post-processing returned 300 values for 301 rows"),
}


@pytest.mark.parametrize("case", ALONE)
def test_given_scores_are_adjusted_by_a_third_party_in_its_own_process(case, answering):
    function, message = ALONE[case]
    answering(function)
    with pytest.raises(PluginError, match=message):
        run_technique(Adjust, scored(), roles=SCORED_ROLES, scores="score")


def test_a_third_party_that_changes_given_scores_in_place_changes_its_own_copy(answering):
    def spoil(scores):
        scores[:] = 0.0
        return np.full(len(scores), 0.25)

    answering(spoil)
    done = run_technique(Adjust, scored(), roles=SCORED_ROLES, scores="score")
    assert set(done.table["score"]) == {0.25}
    given = scored()["score"].iloc[done.table["row"]].to_numpy()
    assert np.array_equal(done.table["baseline_score"], given)


def test_an_evaluation_alone_is_contained(answering):
    answering(lambda *given: os._exit(0))
    with pytest.raises(PluginError, match="exited with code 0 before it finished"):
        run_technique(Look, scored(), roles=SCORED_ROLES, scores="score")


CHANGES_ALONE: dict[str, tuple[type, Any, str]] = {
    "raises": (Weigh, lambda *g: refuse(), "acme-pre-processing of the plugin tests raised ZeroDivisionError: by zero"),
    "exits": (Weigh, lambda *g: sys.exit(0), "raised SystemExit: 0"),
    "ends its process": (Weigh, lambda *g: os._exit(0), "exited with code 0 before it finished"),
    "ends its process in a transformation": (Change, lambda X: os._exit(7), "exited with code 7"),
    "too few weights": (Weigh, lambda *g: np.ones(3), "returned 3 values for 600 rows"),
    "changes a value in place": (Weigh, in_place, "changed the data in place; it must return a changed copy"),
    "our error": (Weigh, lambda *g: refuse(DataError, "no such rows"), "^no such rows$"),
    "too much memory": (Weigh, lambda *g: np.ones(10**10), "raised MemoryError"),
    "ends its process in an analysis": (Analyze, lambda d: os._exit(0), "exited with code 0 before it finished"),
    "raises in an analysis": (Analyze, lambda d: refuse(), "acme-causal of the plugin tests raised ZeroDivisionError"),
}  # fmt: skip


@pytest.mark.parametrize("case", CHANGES_ALONE)
def test_changes_and_analyses_alone_are_contained(case, answering, capfd):
    kind, function, message = CHANGES_ALONE[case]
    answering(function)
    with pytest.raises(FairmendError, match=message):
        run_technique(kind, scored(), roles={**SCORED_ROLES, "ignored": ("score",)})
    assert capfd.readouterr().out == ""


def test_memory_of_the_caller_is_out_of_reach_of_a_change_alone(answering):
    seen: list[str] = []

    def remember(X, groups, y, w):
        seen.append("here")
        return 1.0 + groups.codes

    answering(remember)
    done = run_technique(Weigh, scored(), roles={**SCORED_ROLES, "ignored": ("score",)})
    assert seen == []
    assert sorted(done.table["fairmend_weight"].unique()) == [1.0, 2.0]


@pytest.mark.parametrize(
    ("kind", "function"),
    [(Weigh, lambda X, g, y, w: 1.0 + g.codes), (Change, lambda X: X * 2), (Relabel, lambda y: 1 - y)],
)
def test_a_sound_change_alone_gives_what_it_gives_in_this_process(kind, function, answering, monkeypatch):
    answering(function)
    roles = {**SCORED_ROLES, "ignored": ("score",)}
    apart = run_technique(kind, scored(), roles=roles)
    monkeypatch.setattr("fairmend.pipeline.run_technique.contained.strangers", lambda technique: [])
    here = run_technique(kind, scored(), roles=roles)
    assert apart.table.equals(here.table)
    assert apart.to_json() == here.to_json()


SCORED_ROLES = {"outcome": "label", "favorable": "1", "protected": ("group",)}


def scored():
    """Return rows with the scores of some model."""
    p = problem()
    return p.X.assign(group=p.sensitive["group"], label=p.y, score=p.scores)


def test_a_rule_of_a_third_party_is_contained_when_it_decides(start, answering):
    answering(lambda scores: scores / 2)
    after, _ = run_step(Adjust(), start)
    assert score_and_decide(after.fitted(), start.validation)[0].max() <= 0.5
    answering(lambda scores: os._exit(0))
    with pytest.raises(
        PluginError, match="the prediction of acme-post-processing of the plugin tests exited"
    ):
        score_and_decide(after.fitted(), start.validation)


def test_a_step_of_ours_on_a_rule_of_a_third_party_is_contained(start, answering):
    answering(lambda scores: scores)
    after, _ = run_step(Adjust(), start)
    answering(lambda scores: os._exit(0))
    with pytest.raises(PluginError, match="exited with code 0"):
        run_step(api.technique("group-thresholds")(), after)


def test_an_evaluation_of_a_third_party_is_contained(answering):
    p = problem()
    answering(lambda evidence: sys.exit(0))
    with pytest.raises(PluginError, match="acme-evaluation of the plugin tests raised SystemExit"):
        evaluated(Look(), y_true=p.y, y_pred=p.y, sensitive_features=p.sensitive)


def test_whose_a_class_is_does_not_rest_on_its_word():
    assert is_ours(api.technique(31))
    assert not is_ours(Weigh)
    posing = type("InstanceWeighting", (Weigh,), {"__module__": api.technique(31).__module__})
    assert not is_ours(posing)


# -- gate checks --------------------------------------------------------------------------------------

SEEN = SimpleNamespace(current=SimpleNamespace(measurement={}), notion="demographic_parity")
CHECK = PolicyCheck(id="acme", metric="acme_rate", at_least=0.1)

ANSWERS: dict[str, tuple[Any, str]] = {
    "none": (lambda view: None, "must return a fairmend.pipeline.gates.checks.Value, got NoneType"),
    "true": (lambda view: True, "got bool"),
    "a number": (lambda view: 0.9, "got float"),
    "a value without a number": (lambda view: Value(None), "no value; set enough=False"),
    "NaN": (lambda view: Value(float("nan")), "the value nan"),
    "infinite": (lambda view: Value(float("inf")), "the value inf"),
    "words": (lambda view: Value("high"), "the value 'high'"),
    "a truth": (lambda view: Value(True), "the value True"),
    "a turned interval": (lambda view: Value(0.5, (0.9, 0.1)), "the interval"),
    "an interval with NaN": (lambda view: Value(0.5, (0.1, float("nan"))), "the interval"),
    "a third of an interval": (lambda view: Value(0.5, (0.1,)), "the interval"),
    "negative support": (lambda view: Value(0.5, None, -3), "the support -3"),
    "support of None": (lambda view: Value(0.5, None, None), "the support None"),
    "text of None": (lambda view: Value(0.5, None, 3, True, None), "the text None"),
    "raises": (lambda view: refuse(), "raised ZeroDivisionError: by zero"),
    "exits": (lambda view: sys.exit(0), "raised SystemExit: 0"),
    "ends the process": (lambda view: os._exit(0), "exited with code 0"),
    "takes other arguments": (lambda: Value(0.5), "raised TypeError"),
}


def held(function: Any) -> gates.Judgment:
    check = PluginCheck("acme-plugin", "acme_rate", function)
    return evaluate_check(CHECK, SEEN, load_policy("playbook"), {"acme_rate": check}, gate="gate-4")


@pytest.mark.parametrize("case", ANSWERS)
def test_a_check_at_fault_fails_and_is_named(case):
    function, message = ANSWERS[case]
    found = held(function)
    assert (found.verdict, found.plugin, found.value) == ("failed", "acme-plugin", None)
    assert found.reason.startswith(
        "by the plugin acme-plugin: the gate check acme_rate of the plugin acme-plugin"
    )
    assert message in found.reason


@pytest.mark.parametrize("number", [0.5, 1, np.float32(0.5), np.float16(0.5), np.int8(1)])
def test_numbers_of_any_width_are_figures(number):
    ends = (np.float32(0.25), np.float32(0.75))
    found = held(lambda view: Value(number, ends, np.int32(40), np.bool_(True), "fine"))
    assert (found.verdict, found.plugin) == ("passed", "acme-plugin")
    assert found.reason == "by the plugin acme-plugin: fine"
    assert type(found.value) in (float, int)
    assert found.to_json()["interval"] == [0.25, 0.75]


def test_a_check_that_lacks_evidence_does_not_pass():
    found = held(lambda view: Value(None, None, 3, False, "three rows"))
    assert (found.verdict, found.reason) == ("insufficient evidence", "by the plugin acme-plugin: three rows")


# -- what is installed --------------------------------------------------------------------------------

MARK = "from fairmend.core.hooks.markers import hookimpl\n"
GATES = MARK + "@hookimpl\ndef fairmend_gate_checks(): return {names}\n"
TECHNIQUE = """
from fairmend.base import Postprocessor, TechniqueMetadata, hookimpl

class Halve(Postprocessor):
    '''Halve every score.'''
    metadata = TechniqueMetadata(
        technique_id="acme:halve", slug="acme-halve", name="Halve", family="toy",
        summary="Halves every score.", citation="Acme (2020). Halving.", use_when="It is to be tested.", avoid_when="It is not to be tested.")
    def _fit(self, scores): pass
    def _adjust(self, scores):
        {body}

@hookimpl
def fairmend_techniques(): return [Halve]
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Write plugins, given as name -> (distribution, source), and return a registry of ours and these."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("FAIRMEND_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FAIRMEND_PLUGIN_TIMEOUT", "300")
    ours = tuple(p for p in Registry.installed(cache=None).plugins if p.source == "fairmend")
    made: list[str] = []

    def make(**plugins: tuple[str, str]) -> Registry:
        theirs = []
        for name, (source, text) in plugins.items():
            (tmp_path / f"{name}.py").write_text(textwrap.dedent(text))
            theirs.append(Plugin(name, name, source, "1.0"))
            made.append(name)
        registry = Registry((*ours, *theirs), tmp_path / "cards.json")
        monkeypatch.setattr(Registry, "installed", classmethod(lambda cls, cache="default": registry))
        api.registry.cache_clear()
        return registry

    yield make
    monkeypatch.undo()
    api.registry.cache_clear()
    for name in made:
        sys.modules.pop(name, None)


HALVE = TECHNIQUE.format(body="return scores / 2")
OWNERS = {
    "its name": ("acme", True),
    "its first word": ("acme-fairness", True),
    "its first word, written otherwise": ("Acme_Fairness", True),
    "another name": ("zenith", False),
    "the name within": ("not-acme", False),
    "a longer word": ("acmelike", False),
}


@pytest.mark.parametrize("case", OWNERS)
def test_a_namespace_belongs_to_the_packages_that_begin_with_it(case, install):
    source, owned = OWNERS[case]
    registry = install(one=(source, HALVE))
    import_module("one")  # what is imported is examined here, which is quicker
    registry.cards()
    assert ("one" not in registry.problems) == owned
    if not owned:
        assert f"this one is called {source}" in registry.problems["one"]


def test_the_first_installed_keeps_an_id_whatever_the_names(install):
    registry = install(zeta=("acme-zeta", HALVE), alpha=("acme-alpha", HALVE))
    for name in ("zeta", "alpha"):
        import_module(name)
    assert registry.card("acme:halve").plugin == "zeta"
    assert (
        "claims the id 'acme:halve', which Halve of the plugin zeta has taken" in registry.problems["alpha"]
    )


def test_plugins_come_in_the_order_of_installation(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    for age, name in enumerate(("acme-young", "zenith-old")):
        folder = tmp_path / f"{name.replace('-', '_')}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (folder / "entry_points.txt").write_text(f"[fairmend]\n{name} = {name.replace('-', '_')}\n")
        (folder / "RECORD").write_text("")
        os.utime(folder / "RECORD", (2e9 - age * 1e6,) * 2)
    names = [p.name for p in Registry.installed(cache=None).plugins if p.source != "fairmend"]
    assert names.index("zenith-old") < names.index("acme-young")


def test_a_plugin_cannot_call_itself_one_of_ours(install):
    registry = install(fairmend_evil=("evil", ""))
    posing = Registry((*registry.plugins[:-1], Plugin("fairmend.evil", "fairmend_evil", "evil", "1")))
    posing.cards()
    assert "belongs to fairmend" in posing.problems["fairmend.evil"]


def test_a_check_of_a_plugin_never_takes_the_place_of_ours(install):
    registry = install(greedy=("greedy", GATES.format(names="{'accuracy': len}")))
    assert gate_functions(registry)["accuracy"] is CHECKS["accuracy"]
    assert (
        "claims the gate check 'accuracy', which the plugin fairmend.pipeline.gates.checks"
        in registry.problems["greedy"]
    )


def test_other_names_than_at_the_examination_are_refused(install):
    calls = "{'accuracy': len} if __import__('sys').modules.get('pytest') else {'greedy_gate': len}"
    registry = install(greedy=("greedy", GATES.format(names=calls)))
    assert gate_functions(registry)["accuracy"] is CHECKS["accuracy"]
    assert (
        "gives other names than when it was examined: accuracy instead of greedy_gate"
        in registry.problems["greedy"]
    )


HOOKS_AT_RUN_TIME = {
    "raises": ("1 / 0", "raised ZeroDivisionError"),
    "exits": ("__import__('sys').exit(0)", "raised SystemExit: 0"),
    "gives a list": ("['late_gate']", "must return a mapping"),
    "gives nothing": ("None", "instead of late_gate"),
}


@pytest.mark.parametrize("case", HOOKS_AT_RUN_TIME)
def test_a_hook_that_goes_wrong_only_at_run_time_is_excluded(case, install):
    late, message = HOOKS_AT_RUN_TIME[case]
    source = MARK + (
        "import sys\n@hookimpl\ndef fairmend_gate_checks():\n"
        f"    return ({late}) if 'pytest' in sys.modules else {{'late_gate': len}}\n"
    )
    registry = install(late=("late", source))
    assert "late_gate" not in gate_functions(registry)
    assert message in registry.problems["late"]


IMPORTS = {
    "exits": ("import sys; sys.exit(0)", "importing it raised SystemExit: 0"),
    "ends the process": ("import os; os._exit(0)", "importing it ended the process with exit code 0"),
    "raises": ("1 / 0", "importing it raised ZeroDivisionError"),
    "raises no exception": ("raise GeneratorExit", "importing it raised GeneratorExit"),
    "takes other arguments": (
        MARK + "@hookimpl\ndef fairmend_gate_checks(x): return {}",
        "does not match the hook specifications",
    ),
}


@pytest.mark.parametrize("case", IMPORTS)
def test_a_plugin_that_is_broken_is_listed_with_exit_code_1(case, install, cli):
    source, message = IMPORTS[case]
    install(broken=("broken", source))
    done = cli("plugin", "list", "--json")
    assert done.code == 1
    health = {entry["name"]: entry["health"] for entry in done.json}
    assert message in health["broken"]
    assert health["fairmend.pipeline.gates.checks"] == "ok"
    assert cli("plugin", "list").code == 1


def test_an_unknown_hook_is_named_with_those_there_are_and_the_rest_works(install, cli):
    install(mostly=("acme", HALVE + "\n@hookimpl\ndef fairmend_technique(): return []\n"))
    done = cli("plugin", "list", "--json")
    assert done.code == 1
    (entry,) = (e for e in done.json if e["name"] == "mostly")
    assert entry["techniques"] == 1
    assert entry["health"] == (
        "fairmend_technique is not a hook and is ignored; the hooks are fairmend_techniques, fairmend_finding_kinds, "
        "fairmend_gate_checks, fairmend_encoders, fairmend_datasets"
    )
    assert "plugin mostly works only in part: fairmend_technique is not a hook" in done.err
    assert cli("technique", "show", "acme-halve", "--json").code == 0


DATASETS = {
    "exits": ("sys.exit(0)", "the data set acme-coins of the plugin coins raised SystemExit: 0"),
    "ends the process": ("os._exit(0)", "exited with code 0"),
    "gives nothing": ("None", "must be a mapping with frame and roles, got NoneType"),
}


@pytest.mark.parametrize("case", DATASETS)
def test_a_data_set_at_fault_is_named(case, install):
    body, message = DATASETS[case]
    source = f"import os, sys\n{MARK}@hookimpl\ndef fairmend_datasets(): return {{'acme-coins': lambda n_rows, random_state: {body}}}"
    install(coins=("coins", source))
    with pytest.raises(PluginError, match=message):
        api.load_dataset("acme-coins", rows=10)


# -- replaced built-ins -------------------------------------------------------------------------------


def wrong(*given: Any, **named: Any) -> None:
    """Stand where something else should."""


REPLACED: dict[str, tuple[Any, str, Any, str]] = {
    "a function": (gates, "evaluate_check", wrong, "fairmend.pipeline.gates.gates.evaluate_check"),
    "an imported function": (
        state_machine,
        "evaluate_gate",
        wrong,
        "fairmend.pipeline.run.state_machine.evaluate_gate",
    ),
    "a method": (
        gate_context.ModelEvaluation,
        "against",
        wrong,
        "fairmend.pipeline.gates.gate_context.ModelEvaluation.against",
    ),
    "a property": (
        gate_context.ModelEvaluation,
        "decisions",
        property(wrong),
        "fairmend.pipeline.gates.gate_context.ModelEvaluation.decisions",
    ),
    "a class by its copy": (
        step_cache,
        "ModelEvaluation",
        type("ModelEvaluation", (gate_context.ModelEvaluation,), {}),
        "fairmend.pipeline.storage.step_cache.ModelEvaluation",
    ),
    "a function by no function": (
        gate_context,
        "measure",
        len,
        "fairmend.pipeline.gates.gate_context.measure",
    ),
    "our own, in a wrong place": (
        gates,
        "evaluate_gate",
        gates.evaluate_check,
        "fairmend.pipeline.gates.gates.evaluate_gate",
    ),
}


def test_nothing_is_replaced_by_default():
    assert [name for name, _ in integrity.replaced()] == []


@pytest.mark.parametrize("case", REPLACED)
def test_a_replaced_built_in_is_named_and_no_verdict_is_given(case, install, monkeypatch):
    where, name, value, told = REPLACED[case]
    registry = install(evil=("evil", ""))
    wrong.__module__ = "evil"
    monkeypatch.setattr(where, name, value)
    integrity.verify(registry)  # no plugin is loaded
    monkeypatch.setitem(sys.modules, "evil", SimpleNamespace())
    with pytest.raises(
        RunError, match="no verdict is given, since built-in functions were replaced"
    ) as found:
        integrity.verify(registry)
    assert told in dict(integrity.replaced())
    assert value is not wrong or "by the plugin evil" in str(found.value)


@pytest.mark.parametrize("value", [lambda view: Value(1.0), len, wrong], ids=["lambda", "len", "function"])
def test_a_replaced_gate_check_is_named(monkeypatch, value):
    monkeypatch.setitem(CHECKS, "accuracy", value)
    assert "fairmend.pipeline.gates.checks.CHECKS['accuracy']" in dict(integrity.replaced())


# -- whole commands -----------------------------------------------------------------------------------

RUNS = {
    "raises": ("return 1 / 0", "raised ZeroDivisionError: division by zero"),
    "exits": ("raise SystemExit(0)", "raised SystemExit: 0"),
    "ends the process": ("import os; os._exit(0)", "exited with code 0 before it finished"),
    "loses a row": ("return scores[1:]", "_adjust of acme-halve returned"),
}
PIPELINE = """\
fairmend: 1
name: theirs
learner: logistic_regression
roles: {outcome: hired, favorable: "yes", protected: [sex], mediators: [score]}
steps:
- technique: acme:halve
  slug: acme-halve
  stage: post-processing
  alternatives: [{technique: 9, slug: group-thresholds, parameters: {min_ratio: 0.95}}]
"""


@pytest.mark.parametrize("case", RUNS)
def test_a_step_at_fault_is_a_failed_step_and_its_alternative_is_tried(case, arena, install, cli):
    body, message = RUNS[case]
    install(acme_halve=("acme", TECHNIQUE.format(body=body)))
    (arena / "theirs.yaml").write_text(PIPELINE)
    done = cli("run", "theirs.yaml", "--data", "jobs.csv", "--assume-approved", "--json")
    assert "Traceback" not in done.err
    steps = [(s["slug"], s["status"]) for s in done.json["steps"]]
    assert steps[:2] == [("acme-halve", "failed"), ("group-thresholds", "ran")]
    assert message in done.json["steps"][0]["text"]
    assert done.json["status"] in {"deployable", "failed", "escalated"}
    assert (done.code == 0) == (done.json["status"] == "deployable")


def test_what_a_step_prints_leaves_json_clean(arena, install, cli):
    install(acme_loud=("acme", TECHNIQUE.format(body="print('LOUD'); return scores")))
    (arena / "theirs.yaml").write_text(PIPELINE)
    done = cli("run", "theirs.yaml", "--data", "jobs.csv", "--assume-approved", "--json")
    assert ("acme-halve", "ran") in [(s["slug"], s["status"]) for s in done.json["steps"]]
    assert "the plugin acme_loud printed: LOUD" in done.err


def test_sys_exit_within_a_command_is_no_success(cli, monkeypatch):
    monkeypatch.setattr(api, "plugins", lambda: sys.exit(0))
    done = cli("plugin", "list")
    assert done.code == 1
    assert "the command was ended by sys.exit(0) before it finished" in done.errors[0]


def test_a_plugin_that_ends_the_process_of_a_command_gives_no_exit_code_0(tmp_path):
    """Nothing stops such a plugin; but what it ends is not the process that reports."""
    (tmp_path / "quitter.py").write_text(
        "import os, sys\n"
        "if 'fairmend.cli' in sys.modules: os._exit(0)\n" + GATES.format(names="{'quitter_gate': len}")
    )
    folder = tmp_path / "quitter-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: quitter\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text("[fairmend]\nquitter = quitter\n")
    rules = tmp_path / "rules.yaml"
    rules.write_text(
        "policy: mine\nextends: playbook\ntitle: The playbook and a check of a plugin\n"
        "gates: [{id: gate-4, checks: [{id: theirs, metric: quitter_gate, at_least: 0.1}]}]\n"
    )
    code = f"from fairmend.cli import main; main(['policy', 'check', {str(rules)!r}])"
    path = os.pathsep.join([str(tmp_path), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={
            **os.environ,
            "PYTHONPATH": path,
            "FAIRMEND_CACHE": str(tmp_path / "cache"),
            "FAIRMEND_PLUGIN_TIMEOUT": "300",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done
    assert "the command was ended (exit code 0) before it finished" in done.stderr
