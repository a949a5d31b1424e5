"""Decisions of people on a run: which are in force, and the state of the others.

An approval holds for the rule it was given for; if that changes, it is asked for again. A rejection stands until
the person who gave it withdraws it, until another person's approval states how the objection was resolved, or
until the run was changed to meet its concern. Names are compared ignoring case, whitespace and invisible
characters.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from fairmend.core.errors import UsageError, unknown
from fairmend.core.text.words import skeleton
from fairmend.core.vocabulary import CONCERNS

ASSUMED = "assumed"
NAME, TEXT = "NAME", "TEXT"
"""Stand for what a person fills in, in the commands that a run prints."""
State = Literal[
    "holds", "overruled", "withdrawn", "replaced", "not counted", "answered", "for an earlier rule"
]
ESCALATION = "escalation"
"""The gate of decisions on an escalated run."""


@dataclass(frozen=True)
class Approval:
    """A recorded decision of a person.

    Attributes
    ----------
    gate, role : str
        The gate, and the role of the person.
    by : str
        Name of the person, or ``"assumed"`` for demonstrations.
    approved : bool
        The decision.
    note : str
        Why.
    time : str
        When, in ISO format.
    answer : str
        How the objection of an earlier rejection was resolved, which overrules it.
    concern : str
        What a rejection objects to; empty for an approval.
    rule : str
        Fingerprint of the rule that the decision is about; empty if it holds for any rule.
    option : str
        For a decision on an escalated run: what was chosen.
    response : str
        What was done about a rejection when the run was resumed, or why nothing could be.
    met : bool
        Whether the response changed the run.
    state : str
        Its state, set by :func:`settle`: it ``holds``; a rejection was ``overruled`` by another person's
        answer, ``withdrawn`` by whoever gave it, or ``answered`` by a change of the run; an approval was
        ``replaced`` by a later decision of its role, given ``for an earlier rule``, or ``not counted``, because it
        left a rejection unanswered or came from a person of another role where the policy requires different people.
    """

    gate: str
    role: str
    by: str
    approved: bool
    note: str = ""
    time: str = ""
    answer: str = ""
    concern: str = ""
    rule: str = ""
    option: str = ""
    response: str = ""
    met: bool = False
    state: State = "holds"

    @property
    def person(self) -> str:
        """The normalized name, for comparisons."""
        return person_key(self.by)

    def to_json(self) -> dict[str, Any]:
        """Return the record for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        """Return the decision as a sentence without its gate."""
        said = f"{self.word} by {self.by} ({self.role})"
        if self.concern not in {"", "other"}:
            said += f", concern: {self.concern}"
        if self.note:
            said += f": {self.note}"
        return f"{said}; the objection was resolved: {self.answer}" if self.answer else said

    @property
    def word(self) -> str:
        """The decision in a word."""
        words = {"accept": "accepted as measured", "send-back": "sent back", "stop": "stopped"}
        if self.option:
            return words.get(self.option, f"decided for {self.option}")
        return "approved" if self.approved else "rejected"

    def is_answered(self, rule: str | None) -> bool:
        """Whether a response met this rejection, so that it does not concern the rule with this fingerprint."""
        changed = rule is not None and rule != self.rule
        return self.met and (changed or self.concern in {"evidence", "causal-assumption"})


def person_key(name: str) -> str:
    """Return a normalized name, equal for different spellings of it.

    Examples
    --------
    >>> person_key(" Ada  LOVELACE") == person_key("ada lovelace")
    True
    """
    return skeleton("".join(c for c in name if c.isspace() or c.isprintable()))


def settle(
    decisions: Iterable[Approval], *, distinct: bool = False, rules: Mapping[str, str] | None = None
) -> list[Approval]:
    """Return all decisions in order, each with its state.

    Parameters
    ----------
    decisions : iterable of Approval
        In chronological order.
    distinct : bool
        Whether one person may approve in one role only; a rejection always counts.
    rules : mapping of str to str, optional
        By gate, the fingerprint of the rule that now stands there; without it decisions hold for any rule.
    """
    settled: list[Approval] = []
    holding: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    roles: dict[str, str] = {}
    for place, decision in enumerate(decisions):
        now = holding[decision.gate, decision.role]
        state: State = "holds"
        if distinct and decision.by != ASSUMED:
            own = roles.setdefault(decision.person, decision.role)
            state = "not counted" if decision.approved and own != decision.role else "holds"
        if state == "holds":
            state = _enter(settled, now, decision)
        if state == "holds":
            now.append(place)
        settled.append(replace(decision, state=state))
    return [replace(a, state=_against(a, (rules or {}).get(a.gate))) for a in settled]


def _against(decision: Approval, rule: str | None) -> State:
    """Return the state of a settled decision, given the fingerprint of the rule that now stands at its gate."""
    if decision.state != "holds":
        return decision.state
    if not decision.approved:
        return "answered" if decision.is_answered(rule) else "holds"
    return "for an earlier rule" if rule is not None and decision.rule not in {"", rule} else "holds"


def _enter(settled: list[Approval], now: list[int], decision: Approval) -> State:
    """Update the decisions of the role in force so far, and return the state of the new one."""
    for place in list(now):
        former = settled[place]
        if former.approved or (not decision.approved and former.person == decision.person):
            outcome: State = "replaced"
        elif former.is_answered(decision.rule or None):
            outcome = "answered"
        elif decision.approved and former.person == decision.person:
            outcome = "withdrawn"
        elif decision.approved and decision.answer:
            outcome = "overruled"
        else:
            continue
        settled[place] = replace(former, state=outcome)
        now.remove(place)
    return "not counted" if decision.approved and now else "holds"


def in_force(settled: Iterable[Approval]) -> dict[tuple[str, str], Approval]:
    """Return the decision in force for each gate and role; the last one if several people rejected."""
    return {(a.gate, a.role): a for a in settled if a.state == "holds"}


def rejections(settled: Iterable[Approval]) -> list[Approval]:
    """Return the rejections in force."""
    return [a for a in settled if a.state == "holds" and not a.approved]


def check_decision(
    new: Approval,
    earlier: Sequence[Approval],
    *,
    distinct: bool = False,
    rules: Mapping[str, str] | None = None,
) -> None:
    """Check that a decision can be recorded after the earlier ones.

    Parameters
    ----------
    new : Approval
        The decision.
    earlier : sequence of Approval
        The earlier decisions, in order.
    distinct, rules
        As for :func:`settle`.

    Raises
    ------
    UsageError
        It has no name or no such concern, leaves a rejection unanswered, answers none, or comes from a person who
        decided in another role although the policy requires different people.
    """
    if not new.person:
        raise UsageError("an approval requires the name of the person; add --by NAME")
    if new.person == ASSUMED:
        raise UsageError(f"{new.by!r} is reserved for assumed approvals; give the name of a person with --by")
    if new.by == NAME or TEXT in {new.note, new.answer}:
        raise UsageError(
            f"{NAME} and {TEXT} stand for the name of the person who decides and for their words"
        )
    if new.approved and new.concern:
        raise UsageError("--concern is only for a rejection: it says what the rejection objects to")
    if new.concern and new.concern not in CONCERNS:
        raise unknown("concern", new.concern, CONCERNS)
    settled = settle(earlier, distinct=distinct, rules=rules)
    objections = [a for a in rejections(settled) if (a.gate, a.role) == (new.gate, new.role)]
    of_others = [a for a in objections if a.person != new.person]
    if new.answer and not (new.approved and objections):
        raise UsageError(
            f"--answer is only for an approval that overrules a rejection, and no rejection of {new.gate} by the "
            f"{new.role} is in force"
            if new.approved
            else "--answer is only for an approval that overrules a rejection; use --note to explain a rejection"
        )
    if new.approved and of_others and not new.answer:
        raise UsageError(
            f"{new.gate} was {of_others[-1]}; an approval by another person requires --answer: how the "
            "objection was resolved"
        )
    if distinct and new.approved:
        own = next((a.role for a in settled if a.person == new.person), new.role)
        if own != new.role:
            raise UsageError(
                f"the policy requires a different person in each role, and {new.by} has decided as {own}; "
                f"another person must approve as {new.role}"
            )


def remarks(settled: Sequence[Approval]) -> list[str]:
    """Return the notes on decisions: overruled rejections, and one person in several roles."""
    said = []
    for place, a in enumerate(settled):
        if a.state == "overruled":
            later = (b for b in settled[place:] if (b.gate, b.role) == (a.gate, a.role) and b.approved)
            by = next(b for b in later if b.answer)
            said.append(f"A rejection of {a.gate} was overruled: {a}. {by.by} answered: {by.answer}.")
        elif a.state == "not counted":
            said.append(f"A decision on {a.gate} does not count: {a}.")
        elif a.state == "for an earlier rule":
            said.append(
                f"A decision on {a.gate} was for an earlier rule ({a.rule}) and is asked for again: {a}."
            )
        if a.response:
            word = "stands" if a.state == "holds" else "was answered"
            told = (
                f"the run came to the same rule: {a.response}" if a.met and a.state == "holds" else a.response
            )
            said.append(f"The objection to {a.gate} {word} ({a}): {told}.")
    people: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for a in settled:
        if a.state == "holds" and a.approved and a.by != ASSUMED:
            people[a.person][a.role] = a.by
    said += [
        f"One person, {next(iter(roles.values()))}, approved in {len(roles)} roles: {', '.join(roles)}."
        for roles in people.values()
        if len(roles) > 1
    ]
    return said
