"""Run the blocks of beyond_two_outcomes.md, and insert the output of the commands."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "beyond_two_outcomes.md"
BLOCK = re.compile(r"```(python|console)\n(.*?)```\n", re.DOTALL)
TABLES = ("law/law_school_fya.csv", "compas/compas_two_years.csv.gz")


def rendered(text: str, data: Path) -> str:
    """Return the page with each console block showing what its commands print now.

    Parameters
    ----------
    text : str
        The page.
    data : Path
        Folder of the data sets.
    """
    environment = {
        **os.environ,
        # One thread: the order in which threads add floats would change the last digits.
        **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
        "PYTHONHASHSEED": "0",
        "COLUMNS": "118",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    with tempfile.TemporaryDirectory() as folder:
        for name in TABLES:
            (Path(folder) / Path(name).name).symlink_to((data / name).resolve(strict=True))

        def run(words: list[str]) -> str:
            done = subprocess.run(  # noqa: S603 - the page's own commands
                words, cwd=folder, env=environment, capture_output=True, text=True, check=False
            )
            return done.stdout or done.stderr

        def block(found: re.Match[str]) -> str:
            language, content = found.groups()
            if language == "python":
                if said := run([sys.executable, "-c", content]):
                    raise RuntimeError(said)
                return found[0]
            shown = []
            for command in re.findall(r"^\$ (.*)$", content, re.MULTILINE):
                lines = run(shlex.split(command)).strip("\n").splitlines()
                shown.append("\n".join([f"$ {command}", *(line.rstrip() for line in lines)]))
            return "```console\n" + "\n\n".join(shown) + "\n```\n"

        return BLOCK.sub(block, text)


def main() -> None:
    """Rewrite the page."""
    data = Path(os.environ.get("FAIRMEND_DATA", ROOT.parent / "shared" / "data"))
    PAGE.write_text(rendered(PAGE.read_text(encoding="utf-8"), data), encoding="utf-8")


if __name__ == "__main__":
    main()
