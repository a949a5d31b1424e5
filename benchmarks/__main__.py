"""Run the benchmarks: all of them, or those that are named."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def main(wanted: list[str]) -> int:
    """Run each benchmark in a process of its own; the number that failed is the exit code."""
    here = Path(__file__).parent
    known = sorted(p.stem for p in here.glob("*.py") if not p.stem.startswith("_"))
    strangers = [name for name in wanted if name not in known]
    if strangers:
        print(f"no benchmark is called {strangers[0]!r}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    failed = 0
    for name in wanted or known:
        print(f"== {name}", flush=True)
        failed += subprocess.run([sys.executable, str(here / f"{name}.py")], check=False).returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
