"""The drawing of a pipeline as a picture: one row per stage, rollbacks as dashed lines at the left."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.font_manager import FontProperties
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path as Line
from matplotlib.textpath import text_to_path

from fairmend.core.text.escaping import one_line
from fairmend.reports.outline import TITLES, StageOutline, Way

# All lengths are in inches, so that text of a known size fits.
COLUMNS = (2.75, 3.35, 3.0)  # stage, gate with its rollbacks, decision
BETWEEN, MARGIN, LANE = 0.75, 0.35, 0.16
ABOVE, PADDING, LEADING = 0.75, 0.11, 0.165
SIZE, HEAD = 8.0, 9.0
INK, MUTED, EDGE, BACK, PASSED = "#1f2328", "#5b636e", "#8a8f98", "#b42318", "#0b6e4f"
FILLS = {"stage": "#eef3fb", "gate": "#fff8e6", "back": "#fdeeec", "decision": "#eef7f1", "end": "#f3f4f6"}
LONGEST_TITLE = 120  # characters
TURN = 0.08  # radius of the corners of lines


@dataclass
class Box:
    """A box with a heading and lines of text, placed by its upper left corner.

    Attributes
    ----------
    kind : str
        Which fill.
    width : float
        In inches.
    lines : list of (text, size, color, weight)
        Wrapped.
    x, y : float
        The corner, once it is placed; y points downwards.
    """

    kind: str
    width: float
    lines: list[tuple[str, float, str, str]] = field(default_factory=list)
    x: float = 0.0
    y: float = 0.0

    def heading(self, text: str) -> None:
        """Add bold lines."""
        self._add("", text, HEAD, INK, "bold")

    def item(self, text: str, mark: str = "•") -> None:
        """Add a line after a bullet; overflow wraps below it."""
        self._add(f"{mark} ", text, SIZE, INK, "normal")

    def remark(self, text: str, indent: str = "") -> None:
        """Add muted lines."""
        self._add(indent, text, SIZE, MUTED, "normal")

    def _add(self, lead: str, text: str, size: float, color: str, weight: str) -> None:
        wrapped = _wrapped(lead, one_line(text), size, weight, self.width - 2 * PADDING)
        self.lines += [(line, size, color, weight) for line in wrapped]

    def level(self, line: int) -> float:
        """Return the height of a line of text."""
        return self.y + PADDING + LEADING * (line + 0.5)

    @property
    def height(self) -> float:
        """Height in inches."""
        return 2 * PADDING + LEADING * len(self.lines)

    @property
    def right(self) -> float:
        """Right edge."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """Lower edge."""
        return self.y + self.height

    @property
    def middle(self) -> float:
        """Height at which side connectors start: that of the first line."""
        return self.level(0)

    def place(self, axes: Axes) -> None:
        """Draw it."""
        axes.add_patch(
            FancyBboxPatch(
                (self.x, self.y), self.width, self.height, boxstyle="round,pad=0,rounding_size=0.06",
                facecolor=FILLS[self.kind], edgecolor=BACK if self.kind == "back" else EDGE, linewidth=0.9,
            )
        )  # fmt: skip
        for number, (line, size, color, weight) in enumerate(self.lines):
            axes.text(
                self.x + PADDING,
                self.level(number),
                line,
                size=size,
                color=color,
                weight=weight,
                va="center",
                parse_math=False,
            )


@dataclass
class Row:
    """The boxes of one stage, and the line of the gate box at which the rollback to each stage starts."""

    outline: StageOutline
    stage: Box
    gate: Box
    back: Box
    decision: Box
    leads: dict[str, int]

    def arrange(self, top: float, left: float) -> float:
        """Place the boxes and return where the row ends."""
        self.stage.x = left
        self.gate.x = self.back.x = self.stage.right + BETWEEN
        self.decision.x = self.gate.right + BETWEEN
        self.stage.y = self.gate.y = self.decision.y = top
        self.back.y = max(self.gate.bottom + 0.22, self.stage.bottom + 0.15)
        return max(self.back.bottom, self.decision.bottom)


def flowchart(stages: list[StageOutline], about: tuple[str, str], ends: dict[str, str]) -> Drawing:
    """Return the picture of a pipeline.

    Parameters
    ----------
    stages : list of StageOutline
        The stages to draw.
    about : (str, str)
        Title, and the policy it is evaluated against.
    ends : dict of str to str
        Texts for deployment and for escalation.
    """
    rows = [_row(stage) for stage in stages]
    lanes = sorted({to for row in rows for to in row.leads if to != row.outline.place})
    skips = [(row, way) for row in rows for way in row.outline.on if _skips(row, way, rows)]
    left = MARGIN + LANE * (len(lanes) + 1)
    top = ABOVE
    for row in rows:
        top = row.arrange(top, left) + 0.42
    outs = {"deploy": Box("end", COLUMNS[2]), "escalate": Box("end", COLUMNS[1])}
    for end, box in outs.items():
        box.heading(TITLES[end])
        box.remark(ends[end])
        box.y = top
    outs["escalate"].x, outs["deploy"].x = rows[0].gate.x, rows[0].decision.x
    width = rows[0].decision.right + LANE * (len(skips) + 1) + MARGIN
    height = max(box.bottom for box in outs.values()) + 0.6

    figure = Drawing(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.axis("off")
    axes.text(
        left,
        0.25,
        one_line(about[0], LONGEST_TITLE),
        size=12,
        weight="bold",
        color=INK,
        va="center",
        parse_math=False,
    )
    axes.text(
        left, 0.5, one_line(about[1], LONGEST_TITLE), size=HEAD, color=MUTED, va="center", parse_math=False
    )
    for row in rows:
        for box in (row.stage, row.gate, row.back, row.decision):
            box.place(axes)
        _within(axes, row)
    for box in outs.values():
        box.place(axes)
    for row in rows:
        _back(axes, row, {r.outline.place: r.stage for r in rows}, lanes)
    _onward(axes, rows, outs, skips)
    _legend(axes, left, height)
    return figure


def _row(stage: StageOutline) -> Row:
    steps, gate, back, decision = (
        Box(kind, width)
        for kind, width in zip(("stage", "gate", "back", "decision"), (*COLUMNS[:2], COLUMNS[1], COLUMNS[2]), strict=True)
    )  # fmt: skip
    steps.heading(stage.title)
    for step, said in stage.steps:
        steps.item(step)
        for line in said:
            steps.remark(line, indent="   ")
    if not stage.steps:
        steps.remark("no step")
    gate.heading(stage.gate)
    for check in stage.required:
        gate.item(check)
    if stage.approvals:
        gate.item(f"approval: {', '.join(stage.approvals)}")
    if stage.advised:
        gate.remark(f"advice only: {', '.join(stage.advised)}")
    back.heading("If a required check fails")
    leads: dict[str, int] = {}
    for way in stage.back:
        leads.setdefault(way.to, len(back.lines))
        back.item(f"{way.when} → {TITLES[way.to]}: {way.then}")
    back.remark(f"{stage.limit}.")
    decision.heading(stage.decision)
    if stage.makers:
        decision.remark(", ".join(stage.makers))
    for way in stage.on:
        decision.item(f"{TITLES[way.to]}: {way.when}", mark="→")
    return Row(stage, steps, gate, back, decision, leads)


def _within(axes: Axes, row: Row) -> None:
    """Draw the connectors of a row: stage to gate, gate to decision, gate to its rollback targets."""
    at = row.gate.middle
    _line(axes, [(row.stage.right, at), (row.gate.x, at)], EDGE)
    _line(axes, [(row.gate.right, at), (row.decision.x, at)], PASSED, label="passed")
    under = row.gate.x + 0.3
    _line(axes, [(under, row.gate.bottom), (under, row.back.y)], BACK)


def _back(axes: Axes, row: Row, stages: dict[str, Box], lanes: list[str]) -> None:
    """Draw the rollbacks of a gate: to its own stage, or by a lane at the left to an earlier one."""
    for to, line in row.leads.items():
        target, at = stages[to], row.back.level(line)
        if to == row.outline.place:
            x = target.right - 0.3
            points = [(row.back.x, at), (x, at), (x, target.bottom)]
        else:
            x = target.x - LANE * (lanes.index(to) + 1)
            points = [(row.back.x, at), (x, at), (x, target.middle), (target.x, target.middle)]
        _line(axes, points, BACK, dashed=True)
        axes.text(
            row.back.x - 0.12, at - 0.09, f"back to {TITLES[to]}", size=SIZE - 0.5, color=BACK, ha="right",
            va="center", bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
        )  # fmt: skip


def _skips(row: Row, way: Way, rows: list[Row]) -> bool:
    """Whether a transition skips a stage."""
    places = [r.outline.place for r in rows]
    return way.to in places and places.index(way.to) != places.index(row.outline.place) + 1


def _onward(axes: Axes, rows: list[Row], outs: dict[str, Box], skips: list[tuple[Row, Way]]) -> None:
    """Draw the transitions: down to the next stage, by a lane at the right to a later one, and to the end states."""
    stages = {row.outline.place: row.stage for row in rows}
    for row in rows:
        box = row.decision
        for way in row.outline.on:
            if (row, way) in skips:
                target = stages[way.to]
                lane = box.right + LANE * (1 + skips.index((row, way)))
                channel, x = target.y - 0.14, target.x + 0.55
                _line(axes, [(box.right, box.middle), (lane, box.middle), (lane, channel), (x, channel), (x, target.y)], PASSED)  # fmt: skip
            elif way.to in stages:
                target = stages[way.to]
                channel, x = target.y - 0.26, target.x + 0.35
                _line(axes, [(box.x + 0.4, box.bottom), (box.x + 0.4, channel), (x, channel), (x, target.y)], PASSED)  # fmt: skip
            else:
                end = outs[way.to]
                start = box.x + (0.4 if way.to == "deploy" else 0.2)
                bend = end.y - 0.2
                x = end.x + (0.4 if way.to == "deploy" else end.width - 0.4)
                _line(axes, [(start, box.bottom), (start, bend), (x, bend), (x, end.y)], PASSED if way.to == "deploy" else BACK)  # fmt: skip


def _line(
    axes: Axes, points: list[tuple[float, float]], color: str, *, dashed: bool = False, label: str = ""
) -> None:
    """Draw an arrow along points, with rounded corners."""
    path, codes = [points[0]], [Line.MOVETO]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        near, far = _towards(corner, before), _towards(corner, after)
        path += [near, corner, far]
        codes += [Line.LINETO, Line.CURVE3, Line.CURVE3]
    path.append(points[-1])
    codes.append(Line.LINETO)
    axes.add_patch(
        FancyArrowPatch(
            path=Line(path, codes), arrowstyle="-|>", mutation_scale=9, color=color, linewidth=1.1,
            linestyle=(0, (4, 2.5)) if dashed else "-", fill=True, joinstyle="round", shrinkA=0, shrinkB=0,
        )
    )  # fmt: skip
    if label:
        middle = (points[0][0] + points[-1][0]) / 2
        axes.text(middle, points[0][1] - 0.09, label, size=SIZE - 0.5, color=color, ha="center", va="center")


def _towards(corner: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    """Return the point on the way from a corner where its rounding begins."""
    dx, dy = other[0] - corner[0], other[1] - corner[1]
    length = abs(dx) + abs(dy)
    share = min(TURN, length / 2) / length if length else 0.0
    return corner[0] + dx * share, corner[1] + dy * share


def _legend(axes: Axes, left: float, height: float) -> None:
    at = height - 0.3
    _line(axes, [(left, at), (left + 0.5, at)], PASSED)
    axes.text(left + 0.6, at, "transition", size=SIZE, color=INK, va="center")
    _line(axes, [(left + 1.4, at), (left + 1.9, at)], BACK, dashed=True)
    axes.text(left + 2.0, at, "rollback, with the listed changes tried in this order", size=SIZE, color=INK, va="center")  # fmt: skip


def _wrapped(lead: str, text: str, size: float, weight: str, width: float) -> list[str]:
    """Wrap text to a width in inches; continuation lines are indented."""
    words = re.sub(r"([<>]=?) ", "\\1\u00a0", text).split(" ")  # keep operator and bound on one line
    lines = [lead + words[0]]
    for word in words[1:]:
        if _width(f"{lines[-1]} {word}", size, weight) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append("   " * bool(lead) + word)
    return lines


@lru_cache(maxsize=4096)
def _width(text: str, size: float, weight: str) -> float:
    """Return the width of a text in inches."""
    font = FontProperties(size=size, weight=weight)
    return float(text_to_path.get_text_width_height_descent(text, font, ismath=False)[0]) / 72
