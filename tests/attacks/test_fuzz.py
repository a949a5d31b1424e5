"""Every reader ends with what it read or with an error of ours; ``benchmarks/fuzz.py`` does it for long."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import HealthCheck, given, settings

from fairmend.core.errors import FairmendError
from tests.attacks.fuzzing import TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_a_reader_ends_with_an_error_of_ours(name, tmp_path):
    target = TARGETS[name]
    file = tmp_path / f"fuzz{target.suffix}"

    @settings(
        max_examples=30,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(content=target.content())
    def reads(content: bytes) -> None:
        file.write_bytes(content)
        with contextlib.suppress(FairmendError):
            target.read(file)

    reads()
