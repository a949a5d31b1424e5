"""Keys that are missing, damaged, open to others or of the wrong kind; keys of strangers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from fairmend.pipeline.storage.keys import Keyring

PEM, PKCS8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8


@pytest.fixture
def keyring(arena, tmp_path, monkeypatch) -> Keyring:
    """A user of one's own, with a key."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    found = Keyring()
    found.signing()
    return found


def _private(content: bytes, mode: int = 0o600) -> Callable[[Keyring], None]:
    def harm(keyring: Keyring) -> None:
        keyring.path.write_bytes(content)
        keyring.path.chmod(mode)

    return harm


def _trusted(content: str, mode: int = 0o600) -> Callable[[Keyring], None]:
    def harm(keyring: Keyring) -> None:
        path = keyring.folder / "trusted.json"
        path.write_text(content)
        path.chmod(mode)

    return harm


def _other_kind() -> bytes:
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(PEM, PKCS8, serialization.NoEncryption())


def _encrypted() -> bytes:
    locked = serialization.BestAvailableEncryption(b"secret")
    return ed25519.Ed25519PrivateKey.generate().private_bytes(PEM, PKCS8, locked)


DAMAGE: dict[str, tuple[Callable[[Keyring], object], str]] = {
    "emptied": (_private(b""), "is damaged: expected an unencrypted Ed25519 key"),
    "a text": (_private(b"secret"), "is damaged"),
    "bytes": (_private(bytes(range(256))), "is damaged"),
    "cut short": (lambda k: _private(k.path.read_bytes()[:40])(k), "is damaged"),
    "another kind of key": (_private(_other_kind()), "is damaged: expected an unencrypted Ed25519 key"),
    "an encrypted key": (_private(_encrypted()), "is damaged: expected an unencrypted Ed25519 key"),
    "read by the group": (
        lambda k: k.path.chmod(0o640),
        r"can be read by others \(mode 640\); run: chmod 600",
    ),
    "read by all": (lambda k: k.path.chmod(0o604), r"can be read by others \(mode 604\)"),
    "a folder": (lambda k: (k.path.unlink(), k.path.mkdir(mode=0o700)), "cannot be read: Is a directory"),
    "trusted: no JSON": (_trusted("{"), "list of trusted keys .* cannot be read"),
    "trusted: a list": (_trusted("[]"), "list of trusted keys .* is damaged"),
    "trusted: no key": (_trusted('{"Ann": "abc"}'), "list of trusted keys .* is damaged"),
    "trusted: no text": (_trusted('{"Ann": 7}'), "list of trusted keys .* is damaged"),
    "trusted: changed by all": (_trusted("{}", 0o666), r"can be changed by others \(mode 666\)"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_key_is_a_clear_error(keyring, refused, damage):
    harm, pattern = DAMAGE[damage]
    harm(keyring)
    refused("keys", "list", match=pattern, code=1)


@pytest.mark.parametrize("damage", ["emptied", "read by all", "another kind of key"])
def test_nothing_is_run_with_a_damaged_key(keyring, refused, damage):
    DAMAGE[damage][0](keyring)
    refused("run", "light.yaml", "--data", "jobs.csv", match=DAMAGE[damage][1], code=1)


def test_a_key_that_is_named_and_missing_is_not_made(keyring, refused, tmp_path, monkeypatch):
    monkeypatch.setenv("FAIRMEND_KEY", str(tmp_path / "typo.pem"))
    for arguments in (["keys", "show"], ["run", "light.yaml", "--data", "jobs.csv"]):
        refused(*arguments, match="FAIRMEND_KEY is set to .*typo.pem, which does not exist", code=1)
    assert not (tmp_path / "typo.pem").exists()


def test_a_folder_that_cannot_be_made_is_a_clear_error(arena, refused, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "file"))
    refused("keys", "show", match="keys cannot be stored in .*set XDG_CONFIG_HOME", code=1)


REQUESTS = {
    "a short key": (["trust", "abc", "--as", "Ann"], "expected a public key of 64 hexadecimal digits"),
    "a table": (["trust", "jobs.csv", "--as", "Ann"], "expected a public key of 64 hexadecimal digits"),
    "a folder": (["trust", ".", "--as", "Ann"], "expected a public key of 64 hexadecimal digits"),
    "no name": (["trust", "ab" * 32, "--as", ""], "printable name"),
    "an escape": (["trust", "ab" * 32, "--as", "\x1b[2J"], "printable name"),
    "a name twice": (["trust", "cd" * 32, "--as", "Bob"], "belongs to another trusted key"),
    "a second key": (["new"], "a signing key already exists"),
    "a stranger": (["forget", "Eve"], "no trusted key is called 'Eve'"),
    "a missing folder": (["export", "-o", "nowhere/key.pub"], "cannot write"),
}


@pytest.mark.parametrize("request_", REQUESTS)
def test_an_impossible_request_is_refused(keyring, refused, request_):
    keyring.trust("ab" * 32, "Bob")
    arguments, pattern = REQUESTS[request_]
    refused("keys", *arguments, match=pattern)


def test_the_commands_agree_with_each_other(keyring, cli, arena):
    public = keyring.signing().public
    assert cli("keys", "export").out == f"{public}\n"
    assert cli("keys", "export", "-o", "me.pub").code == 0
    assert cli("keys", "show", "--json").json == {"public": public, "path": str(keyring.path)}
    assert cli("keys", "trust", "ab" * 32, "--as", "Ann").code == 0
    assert cli("keys", "new", "--replace").code == 0
    names = {k["name"]: k["public"] for k in cli("keys", "list", "--json").json}
    assert names["Ann"] == "ab" * 32
    assert names[f"former-{public[:8]}"] == public
    assert names["own key"] not in {public, "ab" * 32}
    assert cli("keys", "forget", "Ann").code == 0
    assert "Ann" not in cli("keys", "list").out


def test_a_record_is_read_elsewhere_once_its_key_is_trusted(keyring, cli, refused, tmp_path, monkeypatch):
    kept = cli("run", "light.yaml", "--data", "jobs.csv", "--json")
    run_id, public = kept.json["run_id"], keyring.signing().public
    head = kept.err.split()[-1]
    assert f"{run_id}: the signed record ends with {head}" in kept.err
    assert cli("verify", run_id, "--anchor", head, "--json").json["head"] == head

    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "elsewhere"))
    for verb in (["verify"], ["resume"], ["predict", "--data", "jobs.csv", "--even-so"]):
        refused(verb[0], run_id, *verb[1:], match=f"that you do not trust, {public}", code=1)
    [listed] = cli("status", "--json").json
    assert listed["status"] == "changed"
    assert public in listed["reason"]

    assert cli("verify", run_id, "--key", public).code == 0
    refused("verify", run_id, "--key", "ab" * 32, match="that you do not trust", code=1)
    assert cli("keys", "trust", public, "--as", "Ann").code == 0
    assert cli("verify", run_id, "--json").json["signers"] == {"Ann": public}

    # A person with a key of their own approves in the same store; both must now be believed.
    gate = ("--gate", "gate-4", "--role", "legal team")
    assert cli("approve", run_id, *gate, "--by", "Bea").code == 0
    assert set(cli("verify", run_id, "--json").json["signers"]) == {"Ann", "own key"}
    refused("verify", run_id, "--key", "Ann", match="that you do not trust", code=1)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    refused("verify", run_id, match="that you do not trust", code=1)


def test_listing_and_help_load_no_cryptography(arena):
    script = (
        "import sys; from fairmend.cli import invoke; code = invoke(sys.argv[1:]); "
        "sys.exit(code or int('cryptography' in sys.modules))"
    )
    for arguments in (["status"], ["keys", "--help"], ["verify", "--help"]):
        done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_no_private_key_lies_in_the_store(keyring, cli, tmp_path):
    assert cli("run", "light.yaml", "--data", "jobs.csv", "--json").code == 3
    secret = keyring.path.read_bytes().splitlines()[1]
    files = [p for p in (tmp_path / "store").rglob("*") if p.is_file()]
    assert files
    assert not any(secret in p.read_bytes() for p in files)
