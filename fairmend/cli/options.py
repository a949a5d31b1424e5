"""Options that several commands share."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

from fairmend.core.errors import UsageError
from fairmend.core.vocabulary import LARGEST_SEED, LEARNERS, NOTIONS, TASKS

Command = TypeVar("Command", bound=Callable[..., Any])


def names_of(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    """Return column names that are separated by commas; the callback of such options."""
    if value is None:
        return None
    names = tuple(name.strip() for name in value.split(","))
    if not all(names):
        raise click.BadParameter(f"column names separated by commas were expected, got {value!r}")
    return names


ROLES = (
    click.option("--outcome", metavar="COLUMN", help="Column of the outcome."),
    click.option(
        "--favorable",
        metavar="VALUE",
        help="Value of the outcome that people want, or an expression: '>=10', '==a,b', '!=x'. "
        "Of a regression or ranking: high or low.",
    ),
    click.option(
        "--task", type=click.Choice(TASKS), help="What kind of outcome it is; detected if nothing is said."
    ),
    click.option("--query", metavar="COLUMN", help="Column that says which rows are ranked together."),
    click.option("--protected", callback=names_of, metavar="A,B", help="Protected attributes."),
    click.option(
        "--mediators", callback=names_of, metavar="A,B", help="Features on a causal path from them."
    ),
    click.option(
        "--resolving", callback=names_of, metavar="A,B", help="Mediators whose influence is accepted."
    ),
    click.option("--proxies", callback=names_of, metavar="A,B", help="Features that stand in for them."),
    click.option("--ignore", callback=names_of, metavar="A,B", help="Columns to leave out altogether."),
    click.option(
        "--allow-feature",
        callback=names_of,
        metavar="A,B",
        help="Features that tell the outcome almost perfectly and are known before the decision: no label leaks.",
    ),
    click.option("--weights", metavar="COLUMN", help="Column of sample weights."),
    click.option("--row-id", "key", metavar="COLUMN", help="Column that identifies a row."),
    click.option(
        "--bins",
        "cuts",
        multiple=True,
        metavar="COLUMN=N,N",
        help="Upper bounds of the groups of a numeric attribute, e.g. age=25.",
    ),
    click.option(
        "--protected-in-model", is_flag=True, help="Let the model read the protected attributes as features."
    ),
)
model_option = click.option(
    "--model", metavar="FILE", help="Your own fitted model, as skops.io.dump wrote it; nothing is unpickled."
)
constraint_option = click.option(
    "--constraint",
    "-c",
    "constraints",
    multiple=True,
    metavar="KEY=VALUE",
    help="Hard limit, e.g. retraining=false.",
)
notion_option = click.option(
    "--notion",
    type=click.Choice(NOTIONS),
    default="demographic_parity",
    show_default=True,
    help="Notion of fairness to work towards.",
)
policy_option = click.option(
    "--policy",
    default="playbook",
    show_default=True,
    metavar="NAME|FILE",
    help="Gates, decisions and rollbacks.",
)
learner_option = click.option(
    "--learner",
    default="gradient_boosting",
    show_default=True,
    help=f"Learner of the baseline, and of techniques that retrain: {' or '.join(LEARNERS)}.",
)
seed_option = click.option(
    "--seed",
    type=click.IntRange(0, LARGEST_SEED),
    default=0,
    show_default=True,
    help="Seed of everything random.",
)


cv_option = click.option(
    "--cv",
    metavar="RxK",
    help="Cross-validate the whole pipeline at the end, e.g. 5x2: five repetitions of two folds.",
)


def spares_inputs(*outputs: str) -> Callable[[Command], Command]:
    """Add --force, without which a command does not write over a file that it reads.

    Parameters
    ----------
    *outputs : str
        The parameters that name what is written. All others may name a file that is read, also in the
        form ``FILE:COLUMN``.
    """

    def check(ctx: click.Context, param: click.Parameter, force: bool) -> None:
        if force or ctx.resilient_parsing:
            return
        from fairmend import api

        written, read = [], []
        for name, value in ctx.params.items():
            values = [
                v for v in (value if isinstance(value, tuple) else (value,)) if isinstance(v, str) and v
            ]
            if name in outputs:
                written += values
            else:
                read += [*values, *(head for head, colon, _ in (v.rpartition(":") for v in values) if colon)]
        api.check_spared(written, read)

    return click.option(
        "--force",
        is_flag=True,
        expose_value=False,
        callback=check,
        help="Write over a file that is read, where an output is the same file.",
    )


def role_options(command: Command) -> Command:
    """Add the options that say what each column is for."""
    for option in reversed(ROLES):
        command = option(command)
    return command


def roles_of(options: dict[str, Any]) -> dict[str, Any]:
    """Take the roles out of a command's options, those that were given."""
    given = {
        "outcome": options.pop("outcome"),
        "favorable": options.pop("favorable"),
        "task": options.pop("task"),
        "query": options.pop("query"),
        "protected": options.pop("protected"),
        "mediators": options.pop("mediators"),
        "resolving": options.pop("resolving"),
        "proxies": options.pop("proxies"),
        "ignored": options.pop("ignore"),
        "allowed_features": options.pop("allow_feature"),
        "weights": options.pop("weights"),
        "key": options.pop("key"),
        "cuts": cuts_of(options.pop("cuts")) or None,
        "protected_in_model": options.pop("protected_in_model") or None,
    }
    return {name: value for name, value in given.items() if value is not None}


def required(roles: dict[str, Any]) -> dict[str, Any]:
    """Return the roles, which must name outcome and protected attributes."""
    for name in ("outcome", "protected"):
        if name not in roles:
            raise click.UsageError(f"give --{name}: without it there is nothing to compare")
    return roles


def cuts_of(words: Iterable[str]) -> dict[str, tuple[float, ...]]:
    """Return cut points from words of the form ``age=25`` or ``age=25,60``."""
    out: dict[str, tuple[float, ...]] = {}
    for word in words:
        name, found, bounds = word.partition("=")
        try:
            numbers = tuple(float(b) for b in bounds.split(","))
        except ValueError:
            numbers = ()
        if not found or not name or not numbers or not all(map(math.isfinite, numbers)):
            raise UsageError(f"--bins takes COLUMN=NUMBER[,NUMBER], got {word!r}")
        out[name] = numbers
    return out
