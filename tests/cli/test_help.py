"""Help texts: every command has one, and every example in one is a command."""

from __future__ import annotations

import shlex

import click
import pytest

from fairmend.cli import root
from fairmend.core.constraints import Constraints


def commands(group=root, path=()):
    """Yield each command with its path, groups left out."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


COMMANDS = dict(commands())
EXAMPLES = {
    line.strip(): path
    for path, command in COMMANDS.items()
    for line in (command.epilog or "").splitlines()
    if line.startswith("  ")
}


def help_of(path):
    command = COMMANDS[path]
    return command.get_help(click.Context(command, info_name=path[-1], max_content_width=100))


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_a_command_says_what_it_does_in_a_sentence(path):
    first = (COMMANDS[path].help or "").split("\n\n")[0].strip()
    assert first
    assert first[0].isupper()
    assert first.endswith(".")


@pytest.mark.parametrize("line", EXAMPLES)
def test_an_example_is_a_call_of_its_command(line):
    words = shlex.split(line)
    path = EXAMPLES[line]
    assert tuple(words[: len(path) + 1]) == ("fairmend", *path)
    COMMANDS[path].make_context(path[-1], words[len(path) + 1 :])
    assert line in help_of(path)


def test_an_example_with_a_wrong_option_would_be_found():
    with pytest.raises(click.UsageError):
        COMMANDS["run",].make_context("run", ["--no-such-option"])


@pytest.mark.parametrize(
    "name", ["query", "audit", "recommend", "explain", "compose", "run", "sweep", "predict", "approve"]
)
def test_the_main_commands_have_examples(name):
    assert (name,) in EXAMPLES.values()


def test_the_keys_of_constraints_are_in_the_help():
    text = help_of(("recommend",))
    assert all(key in text for key in Constraints.model_fields)
