"""Run the commands of the README on Adult, and put what they print into it: make readme."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
SESSION = re.compile(r"(<!-- session -->\n).*?(<!-- /session -->)", re.DOTALL)
ROLES = '--outcome income --favorable ">50K" --protected sex --ignore fnlwgt'
COMMANDS = (
    f"fairmend audit adult_train.csv.gz {ROLES} -o audit.json",
    f"fairmend run --data adult_train.csv.gz {ROLES} --assume-approved --report report",
)


def session(data: Path) -> str:
    """Return the commands and what they print, as Markdown."""
    blocks = []
    environment = {
        **os.environ,
        "COLUMNS": "110",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / data.name).symlink_to(data)
        for command in COMMANDS:
            done = subprocess.run(  # noqa: S603 - our own commands
                shlex.split(command),
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            printed = "\n".join(line.rstrip() for line in done.stdout.strip("\n").splitlines())
            blocks.append(f"```console\n$ {command}\n{printed}\n```\n")
    return "\n".join(blocks)


def main() -> None:
    """Write the session into the README."""
    folder = Path(os.environ.get("FAIRMEND_DATA", ROOT.parent / "shared" / "data"))
    printed = session((folder / "adult" / "adult_train.csv.gz").resolve(strict=True))
    text = README.read_text(encoding="utf-8")
    README.write_text(SESSION.sub(lambda m: m[1] + printed + m[2], text), encoding="utf-8")


if __name__ == "__main__":
    main()
