"""Every technique of the catalogue keeps the promises that the public suite asks of anyone's."""

from __future__ import annotations

from fairmend.core.registry import Registry
from fairmend.testing import parametrize_with_checks

TECHNIQUES = [card.load() for card in Registry.installed().cards() if card.plugin.startswith("fairmend.")]
# Exemptions are a debt: each new one is added here by its reason, and the number may only fall.
EXEMPT = 0


@parametrize_with_checks(TECHNIQUES)
def test_a_technique_passes_the_suite(technique, check):
    check(technique)


def test_exemptions_are_counted():
    exempt = {(t.__name__, name) for t in TECHNIQUES for name in t.exemptions}
    assert len(exempt) == EXEMPT, sorted(exempt)
