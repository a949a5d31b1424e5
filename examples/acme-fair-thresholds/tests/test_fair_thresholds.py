"""The conformance suite, on the technique of this package."""

from acme_fair_thresholds import FairThresholds

from fairmend.testing import parametrize_with_checks


@parametrize_with_checks([FairThresholds])
def test_conformance(technique, check):
    """The technique passes a check of the suite."""
    check(technique)
