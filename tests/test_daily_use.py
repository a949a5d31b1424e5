"""The functions for daily use, and that importing the package is free."""

from __future__ import annotations

import subprocess
import sys

import fairmend


def test_the_catalog_is_a_package_and_a_function():
    import fairmend.catalog.policy

    assert fairmend.catalog.policy.load_policy("playbook").policy == "playbook"
    listed = {entry["technique_id"]: entry for entry in fairmend.list_techniques()}
    assert listed[69]["slug"] == "disparate-impact-remover"
    assert "(2015)" in listed[69]["citation"]


def test_importing_the_package_loads_nothing_heavy():
    code = (
        "import fairmend, sys; print(sorted({m.partition('.')[0] for m in sys.modules} & set(sys.argv[1:])))"
    )
    heavy = ["torch", "faiss", "sklearn", "pandas", "numpy", "fairlearn", "scipy"]
    out = subprocess.run([sys.executable, "-c", code, *heavy], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_every_function_for_daily_use_is_there():
    assert all(callable(getattr(fairmend, name)) for name in fairmend.__all__)
