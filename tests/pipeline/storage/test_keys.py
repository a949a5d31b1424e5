"""Keys that sign: made once and privately, replaced without loss, trusted by name."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from fairmend.core.errors import KeyFileError, UnknownNameError, UsageError
from fairmend.pipeline.storage.keys import OWN, Keyring, is_signed, keys_folder, read_public


@pytest.fixture
def keyring(tmp_path) -> Keyring:
    return Keyring(tmp_path / "keys")


def test_a_key_is_made_at_first_use_and_stays(keyring):
    assert keyring.own() is None
    assert not keyring.folder.exists()
    made = keyring.signing()
    assert Keyring(keyring.folder).signing().public == made.public
    assert stat.S_IMODE(keyring.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(keyring.folder.stat().st_mode) == 0o700
    assert keyring.accepted() == {made.public: OWN}


def test_two_at_once_make_one_key(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: Keyring(tmp_path / "keys").signing().public, range(8)))
    assert len(set(found)) == 1


def test_a_signature_holds_for_its_content_and_key_alone(keyring, tmp_path):
    key, other = keyring.signing(), Keyring(tmp_path / "other").signing()
    signature = key.sign(b"the record")
    assert is_signed(key.public, signature, b"the record")
    assert not is_signed(key.public, signature, b"the Record")
    assert not is_signed(other.public, signature, b"the record")
    for broken in (signature[:-2], "", "zz", None, signature[:-1] + "g", "00" * 64):
        assert not is_signed(key.public, broken, b"the record")
    assert not is_signed("00", signature, b"the record")


def test_a_replaced_key_stays_trusted_until_it_is_forgotten(keyring):
    first = keyring.signing().public
    with pytest.raises(UsageError, match="a signing key already exists"):
        keyring.new()
    second = keyring.new(replace=True).public
    assert second != first
    assert keyring.signing().public == second
    former = f"former-{first[:8]}"
    assert keyring.accepted() == {second: OWN, first: former}
    assert (keyring.folder / f"{former}.pem").exists()
    keyring.forget(former)
    assert keyring.accepted() == {second: OWN}
    with pytest.raises(UnknownNameError, match="no trusted key is called"):
        keyring.forget(former)


def test_keys_of_others_are_trusted_by_digits_or_file(keyring, tmp_path):
    public = Keyring(tmp_path / "other").signing().public
    assert keyring.trust(public.upper(), "Ann") == public
    (tmp_path / "ann.pub").write_text(f"{public}\n")
    assert keyring.trust(str(tmp_path / "ann.pub"), "Ann") == public
    assert keyring.named(("Ann",)) == keyring.named((public,)) | {public: "Ann"}
    with pytest.raises(UsageError, match="belongs to another trusted key"):
        keyring.trust("ab" * 32, "Ann")


@pytest.mark.parametrize("key", ["", "abc", "g" * 64, "nowhere.pub", "a" * 63, "a" * 65, "\x00" * 64])
def test_what_is_no_public_key_is_refused(keyring, key):
    with pytest.raises(UsageError, match="expected a public key of 64 hexadecimal digits"):
        read_public(key)
    with pytest.raises(UsageError, match="expected a public key of 64 hexadecimal digits"):
        keyring.trust(key, "x")


@pytest.mark.parametrize("name", ["", " ", "a\nb", "\x1b[31m", "x" * 65, OWN])
def test_a_name_that_cannot_be_shown_is_refused(keyring, name):
    with pytest.raises(UsageError, match="needs a printable name"):
        keyring.trust("ab" * 32, name)


def test_a_private_key_is_not_taken_for_a_public_one(keyring):
    keyring.signing()
    with pytest.raises(UsageError, match="expected a public key of 64 hexadecimal digits"):
        keyring.trust(str(keyring.path), "me")


def test_the_environment_names_another_key(keyring, tmp_path, monkeypatch):
    default = keyring.signing().public
    monkeypatch.setenv("FAIRMEND_KEY", str(tmp_path / "ci.pem"))
    with pytest.raises(KeyFileError, match=r"FAIRMEND_KEY is set to .*fairmend keys new"):
        Keyring(keyring.folder).signing()
    made = Keyring(keyring.folder).new().public
    assert made != default
    assert Keyring(keyring.folder).signing().public == made
    assert (tmp_path / "ci.pem").exists()


@pytest.mark.parametrize(
    ("given", "expected"), [("/etc/x", "/etc/x/fairmend/keys"), ("relative", None), ("", None)]
)
def test_the_folder_is_that_of_the_user(monkeypatch, tmp_path, given, expected):
    monkeypatch.setenv("XDG_CONFIG_HOME", given)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert str(keys_folder()) == (expected or str(tmp_path / ".config" / "fairmend" / "keys"))
