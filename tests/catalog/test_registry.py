"""The plugin manager: cards without imports, and plugins that break the contract."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

from fairmend.catalog.card_cache import fingerprint
from fairmend.catalog.registry import BUILTINS, Plugin, Registry
from fairmend.core.errors import PluginError, UnknownNameError

TECHNIQUE = """
    from fairmend.core.hooks.markers import hookimpl
    from fairmend.core.metadata import TechniqueMetadata
    from fairmend.core.stages import Postprocessor

    class Halve(Postprocessor):
        '''Halve every score.'''
        metadata = TechniqueMetadata(
            technique_id={id!r}, slug={slug!r}, name="Halve", family="toy",
            summary="Halves every score.", citation="Nobody (2020). Halving.",
            use_when="Scores should be halved.", avoid_when="Scores should stay.")
        def _fit(self, scores): pass
        def _adjust(self, scores): return scores / 2

    @hookimpl
    def fairmend_techniques(): return [Halve]
"""


@pytest.fixture
def third(tmp_path, monkeypatch):
    """Return a function that writes a plugin module and a registry that has it."""
    monkeypatch.syspath_prepend(tmp_path)

    def make(name: str, source: str, **fields) -> Registry:
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(source.format(**fields) if fields else source))
        sys.modules.pop(name, None)
        installed = Registry.installed(cache=None).plugins
        return Registry((*installed, Plugin(name, name, "acme-fairness", "1.0")), tmp_path / "cards.json")

    return make


def test_a_third_party_technique_joins_at_once(third):
    registry = third("acme_one", TECHNIQUE, id="acme:halve", slug="halve")
    assert registry.card("acme:halve").metadata.slug == "halve"
    assert registry.technique("halve")().fit([0.5]).adjust([0.5]).tolist() == [0.25]
    assert registry.problems == {}


@pytest.mark.parametrize(
    ("name", "source", "fields", "message"),
    [
        (
            "acme_raise",
            "raise RuntimeError('no license')",
            {},
            "importing it raised RuntimeError: no license",
        ),
        ("acme_import", "import not_there_at_all", {}, "importing it raised ModuleNotFoundError"),
        ("acme_syntax", "def broken(:", {}, "importing it raised SyntaxError"),
        ("acme_number", TECHNIQUE, {"id": 69, "slug": "halve"}, "plain numbers belong to the catalog"),
        (
            "acme_slug",
            TECHNIQUE,
            {"id": "acme:x", "slug": "instance-weighting"},
            "InstanceWeighting of the plugin",
        ),
        (
            "acme_type",
            "from fairmend.core.hooks.markers import hookimpl\n@hookimpl\ndef fairmend_techniques(): return [42]",
            {},
            "must return technique classes, got 42",
        ),
        (
            "acme_hook",
            "from fairmend.core.hooks.markers import hookimpl\n@hookimpl\ndef fairmend_gate_checks(view): return {}",
            {},
            "does not match the hook specifications",
        ),
    ],
)
def test_a_broken_plugin_is_named_and_the_rest_works(third, name, source, fields, message):
    registry = third(name, source, **fields)
    assert registry.card(31).metadata.slug == "instance-weighting"
    assert message in registry.problems[name]
    assert "\n" not in registry.problems[name]


def test_a_changed_source_makes_new_cards(third, tmp_path):
    third("acme_two", TECHNIQUE, id="acme:halve", slug="halve").cards()
    before = fingerprint("acme_two")
    registry = third("acme_two", TECHNIQUE, id="acme:halve", slug="halve-anew")
    assert fingerprint("acme_two") != before
    assert registry.card("acme:halve").metadata.slug == "halve-anew"


def test_the_second_listing_reads_cards_and_imports_nothing(third, tmp_path):
    third("acme_three", TECHNIQUE, id="acme:halve", slug="halve").cards()
    code = (
        "import sys, pathlib; sys.path.insert(0, sys.argv[1])\n"
        "from fairmend.catalog.registry import Plugin, Registry\n"
        "r = Registry((Plugin('acme_three', 'acme_three', 'acme', '1'),), pathlib.Path(sys.argv[1]) / 'cards.json')\n"
        "print([c.metadata.slug for c in r.cards()], 'acme_three' in sys.modules, 'sklearn' in sys.modules)"
    )
    out = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert out.stdout.strip() == "['halve'] False False"


def test_unknown_techniques_name_the_close_ones():
    registry = Registry.installed()
    with pytest.raises(UnknownNameError, match="did you mean instance-weighting"):
        registry.card("instance-weightin")
    with pytest.raises(UnknownNameError, match="no technique has the id 999"):
        registry.card(999)


def test_builtins_that_break_are_an_error_not_a_gap():
    registry = Registry((Plugin("fairmend.plugins.absent", "fairmend.plugins.absent", "fairmend", "0"),))
    with pytest.raises(PluginError, match=r"built-in fairmend\.plugins\.absent is broken"):
        registry.cards()
    assert all(fingerprint(name) for name in BUILTINS)
