"""Write an installable package with one technique that works, for somebody to start from."""

from __future__ import annotations

import datetime
import re
import shutil
import tempfile
from dataclasses import dataclass
from importlib import metadata as distributions
from pathlib import Path

import jinja2

from fairmend.core.errors import UsageError
from fairmend.core.hooks.markers import PROJECT
from fairmend.core.vocabulary import STAGES

NAME = re.compile(r"(?P<namespace>[a-z][a-z0-9]*)-(?P<rest>[a-z][a-z0-9]*(-[a-z0-9]+)*)")
# Where each template goes; the technique's own comes from its stage.
LAYOUT = {
    "pyproject.toml.j2": "pyproject.toml",
    "README.md.j2": "README.md",
    "package.py.j2": "src/{module}/__init__.py",
    "tests.py.j2": "tests/test_{rest}.py",
}


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes
    ----------
    folder : Path
        The new folder.
    files : tuple of Path
        The files in it, relative to it.
    slug : str
        Slug of the technique.
    """

    folder: Path
    files: tuple[Path, ...]
    slug: str


def write_package(name: str, stage: str, folder: str | Path = ".") -> Written:
    """Write a package, whole or not at all.

    Parameters
    ----------
    name : str
        Lower case words joined by hyphens, first that of the owner: it names the distribution and, with
        underscores, the module; ``acme-my-technique`` holds the technique ``acme:my-technique``.
    stage : str
        Stage of the technique.
    folder : path
        Where the folder of the package goes.

    Raises
    ------
    UsageError
        The name or stage is not one, the folder is not there, or something of the name is there already.
    """
    parts = NAME.fullmatch(name)
    if parts is None:
        raise UsageError(
            "a package name must be lower-case words of letters and digits joined by hyphens, starting with the "
            f"owner, e.g. acme-my-technique, got {name!r}"
        )
    if parts["namespace"] == PROJECT:
        raise UsageError(
            f"names that begin with {PROJECT}- belong to the project; begin with your own, got {name!r}"
        )
    if stage not in STAGES:
        raise UsageError(f"the stage must be one of {', '.join(STAGES)}, got {stage!r}")
    place = Path(folder)
    if not place.is_dir():
        raise UsageError(f"there is no folder {place}; create it, or choose another with --folder")
    target = place / name
    if target.exists():
        raise UsageError(f"{target} exists already; nothing was written; choose another name or folder")
    words = parts["rest"].split("-")
    values = {
        "name": name,
        "namespace": parts["namespace"],
        "slug": name,
        "technique_id": f"{parts['namespace']}:{parts['rest']}",
        "module": name.replace("-", "_"),
        "file": "_" + "_".join(words),
        "class_name": "".join(word.capitalize() for word in words),
        "title": " ".join(words).capitalize(),
        "stage": stage,
        "year": datetime.date.today().year,
        "version": distributions.version(PROJECT),
    }
    templates = jinja2.Environment(
        loader=jinja2.PackageLoader("fairmend.testing.kit"),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - source code is written, not a page
    )
    layout = {**LAYOUT, f"stages/{stage}.py.j2": "src/{module}/{file}.py"}
    rest = "_".join(words)
    files = {
        Path(path.format(module=values["module"], file=values["file"], rest=rest)): templates.get_template(
            source
        )
        for source, path in layout.items()
    }
    with tempfile.TemporaryDirectory(dir=place, prefix=f".{name}-") as scratch:
        made = Path(scratch) / name
        for path, template in files.items():
            (made / path).parent.mkdir(parents=True, exist_ok=True)
            (made / path).write_text(template.render(values), encoding="utf-8")
        shutil.move(made, target)
    return Written(target, tuple(sorted(files)), name)
