"""An estimate as people and programs read it."""

from __future__ import annotations

import json
import math

import pytest
from pydantic import TypeAdapter, ValidationError

from fairmend.core.metrics import Estimate

RECORD = TypeAdapter(Estimate)


def test_it_is_written_with_its_interval():
    found = Estimate(0.8123, (0.79, 0.8349), 300, True)
    assert (found.text(), found.signed(2)) == ("0.812 [0.790, 0.835]", "+0.81 [+0.79, +0.83]")
    assert Estimate(0.5, None, 3, False, ("a",)).text(1) == "0.5 (too few rows)"
    assert (
        Estimate(math.nan, None, 0, False).text()
        == Estimate(math.nan, None, 0, False).signed()
        == "not defined"
    )


@pytest.mark.parametrize(
    ("interval", "excluded"), [((0.1, 0.2), True), ((-0.2, -0.1), True), ((0.0, 0.2), False), (None, False)]
)
def test_whether_its_interval_excludes_zero(interval, excluded):
    assert Estimate(0.1, interval, 9, True).excludes_zero is excluded


def test_a_record_of_it_is_read_again_and_what_is_not_finite_is_null():
    whole = Estimate(0.7, (0.6, math.inf), 40, False, ("b",), "b", "a")
    written = json.loads(RECORD.dump_json(whole))
    assert written["interval"] == [0.6, None]
    again = RECORD.validate_python(written)
    assert (again.value, again.support, again.lacking, again.worst_group) == (0.7, 40, ("b",), "b")
    assert math.isnan(again.interval[1])
    undefined = RECORD.validate_python(RECORD.dump_python(Estimate(math.nan, None, 0, False), mode="json"))
    assert not undefined.defined
    assert RECORD.validate_python(whole.to_json()).lacking == ("b",)  # what records of runs hold
    with pytest.raises(ValidationError, match="shade"):
        RECORD.validate_python({**written, "shade": 1})
