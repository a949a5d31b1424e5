"""The modules of the benchmarks, which are scripts and no package."""

from __future__ import annotations

import sys

from tests.environments import ROOT

sys.path.append(str(ROOT / "benchmarks"))
