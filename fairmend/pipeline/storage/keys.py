"""Keys that sign records: the user's own, and those of other people whose records are trusted.

They are kept in the user's configuration folder, never in a run store: anyone who can write to a store could
rewrite all of it, but cannot sign the changes.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairmend.core.data.files import write_text
from fairmend.core.errors import KeyFileError, UsageError, unknown

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

KEY = "FAIRMEND_KEY"
OWN = "own key"
_HEX = re.compile(r"[0-9a-f]{64}")
_LONGEST_NAME = 64


def keys_folder() -> Path:
    """Return the folder of the keys: ``fairmend/keys`` in XDG_CONFIG_HOME, default ``~/.config``.

    Raises
    ------
    KeyFileError
        There is no home folder.
    """
    named = os.environ.get("XDG_CONFIG_HOME", "")
    try:
        base = Path(named) if os.path.isabs(named) else Path.home() / ".config"
    except RuntimeError as error:
        raise KeyFileError(f"there is no home folder for keys; set XDG_CONFIG_HOME or {KEY}") from error
    return base / "fairmend" / "keys"


@dataclass(frozen=True)
class SigningKey:
    """An Ed25519 key that signs.

    Attributes
    ----------
    public : str
        Its public part, 64 hexadecimal digits.
    """

    public: str
    _private: Ed25519PrivateKey

    def sign(self, content: bytes) -> str:
        """Return the signature of content, in hexadecimal digits."""
        return self._private.sign(content).hex()


def is_signed(public: str, signature: object, content: bytes) -> bool:
    """Whether a signature of content was made with the private part of a public key."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)).verify(
            bytes.fromhex(str(signature)), content
        )
    except (InvalidSignature, ValueError):
        return False
    return True


class Keyring:
    """The user's own key, and the public keys that the user trusts.

    Parameters
    ----------
    folder : Path, optional
        Their folder; see :func:`keys_folder`. The environment variable FAIRMEND_KEY sets another
        file for the own key.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or keys_folder()
        self._own: SigningKey | None = None

    @property
    def path(self) -> Path:
        """The file of the own private key."""
        named = os.environ.get(KEY)
        return Path(named) if named else self.folder / "private.pem"

    # -- the own key ------------------------------------------------------------------------------

    def own(self) -> SigningKey | None:
        """Return the own key, None if there is none yet.

        Raises
        ------
        KeyFileError
            The file is damaged or readable by others, or the file named by FAIRMEND_KEY is missing.
        """
        if self._own is None and (self.path.exists() or os.environ.get(KEY)):
            self._own = _loaded(self.path)
        return self._own

    def signing(self) -> SigningKey:
        """Return the own key, created on first use."""
        if self.own() is None:
            with self._locked():
                if not self.path.exists():  # another process may have created it meanwhile
                    _generate(self.path)
            self._own = _loaded(self.path)
        assert self._own is not None  # noqa: S101  what was loaded
        return self._own

    def new(self, replace: bool = False) -> SigningKey:
        """Create an own key.

        Parameters
        ----------
        replace : bool
            Whether to replace an existing key. The former key is kept next to it, and its signatures
            stay trusted under the name ``former-`` plus its first digits.

        Raises
        ------
        UsageError
            A key exists and ``replace`` is False.
        """
        with self._locked():
            if self.path.exists():
                if not replace:
                    raise UsageError(
                        f"a signing key already exists, {self.path}; --replace creates a new one and keeps "
                        "trusting this one"
                    )
                former = _loaded(self.path)
                name = f"former-{former.public[:8]}"
                self._write_trusted({**self.trusted(), name: former.public})
                os.replace(self.path, self.path.with_name(f"{name}.pem"))
            _generate(self.path)
        self._own = None
        return self.signing()

    def export(self, path: str | Path) -> None:
        """Write the user's public key to a file, for people who will trust what it signs."""
        write_text(path, f"{self.signing().public}\n")

    # -- keys of others ---------------------------------------------------------------------------

    def trusted(self) -> dict[str, str]:
        """Return the trusted public keys of others, by name.

        Raises
        ------
        KeyFileError
            The file is damaged or writable by others.
        """
        path = self.folder / "trusted.json"
        try:
            _check_mode(path, 0o022, "changed")
            found = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise KeyFileError(f"the list of trusted keys {path} cannot be read: {error}") from error
        if not isinstance(found, dict) or not all(_HEX.fullmatch(str(key)) for key in found.values()):
            raise KeyFileError(
                f"the list of trusted keys {path} is damaged: expected names and public keys; remove it "
                "and trust the keys again"
            )
        return found

    def trust(self, key: str, name: str) -> str:
        """Trust records signed with another person's key.

        Parameters
        ----------
        key : str
            The public key: 64 hexadecimal digits, or a file that contains them.
        name : str
            Name for the key.

        Returns
        -------
        str
            The public key.

        Raises
        ------
        UsageError
            It is not a public key, or the name is taken.
        """
        public = read_public(key)
        if not name.strip() or not name.isprintable() or len(name) > _LONGEST_NAME or name == OWN:
            raise UsageError(
                f"a trusted key needs a printable name of at most {_LONGEST_NAME} characters, got {name!r}"
            )
        with self._locked():
            known = self.trusted()
            if known.get(name, public) != public:
                raise UsageError(f"the name {name!r} belongs to another trusted key; choose another name")
            self._write_trusted({**known, name: public})
        return public

    def forget(self, name: str) -> None:
        """Stop trusting a key.

        Raises
        ------
        UnknownNameError
            No trusted key has this name.
        """
        with self._locked():
            known = self.trusted()
            if name not in known:
                raise unknown("trusted key", name, known, "fairmend keys list")
            self._write_trusted({n: key for n, key in known.items() if n != name})

    def accepted(self) -> dict[str, str]:
        """Return the accepted public keys with their names: the own key and the trusted ones."""
        own = self.own()
        others = {public: name for name, public in self.trusted().items()}
        return others if own is None else {**others, own.public: OWN}

    def named(self, words: tuple[str, ...]) -> dict[str, str]:
        """Return public keys from a trusted name, hexadecimal digits, or a file."""
        known = self.trusted()
        return {known[w] if w in known else read_public(w): w for w in words}

    # -- files ------------------------------------------------------------------------------------

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Lock the keys while they are changed."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = (self.folder / ".lock").open("w")
        except OSError as error:
            raise KeyFileError(
                f"keys cannot be stored in {self.folder}: {error.strerror}; set XDG_CONFIG_HOME to a writable "
                "folder"
            ) from error
        with handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    def _write_trusted(self, keys: Mapping[str, str]) -> None:
        _write(self.folder / "trusted.json", (json.dumps(keys, indent=2, sort_keys=True) + "\n").encode())


def read_public(key: str) -> str:
    """Return a public key from its digits, or from a file that contains them.

    Raises
    ------
    UsageError
        It is neither.
    """
    text = key.strip().lower()
    if not _HEX.fullmatch(text):
        try:
            text = Path(key).read_text(encoding="ascii").strip().lower()
        except (OSError, ValueError):
            text = ""
        if not _HEX.fullmatch(text):
            raise UsageError(
                f"expected a public key of 64 hexadecimal digits, or a file written by fairmend keys export, got {key!r}"
            )
    return text


def _generate(path: Path) -> None:
    """Write a new private key."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    content = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _write(path, content)


def _loaded(path: Path) -> SigningKey:
    """Return the private key in a file."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        _check_mode(path, 0o077, "read")
        found: Any = load_pem_private_key(path.read_bytes(), password=None)
    except FileNotFoundError as error:
        raise KeyFileError(
            f"{KEY} is set to {path}, which does not exist; create it with: fairmend keys new"
        ) from error
    except OSError as error:
        raise KeyFileError(f"the signing key {path} cannot be read: {error.strerror}") from error
    except (ValueError, TypeError) as error:  # a TypeError if it is encrypted
        found = error
    if not isinstance(found, Ed25519PrivateKey):
        raise KeyFileError(
            f"the signing key {path} is damaged: expected an unencrypted Ed25519 key in PEM; restore it, or "
            "move it away and create another with: fairmend keys new"
        )
    return SigningKey(found.public_key().public_bytes_raw().hex(), found)


def _check_mode(path: Path, forbidden: int, verb: str) -> None:
    """Reject a file that others can read or change."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & forbidden:
        raise KeyFileError(f"{path} can be {verb} by others (mode {mode:03o}); run: chmod 600 {path}")


def _write(path: Path, content: bytes) -> None:
    """Write a file atomically, readable by the user only."""
    try:
        with tempfile.NamedTemporaryFile("wb", dir=path.parent, prefix=".part-", delete=False) as handle:
            handle.write(content)  # mode 0600, the default of tempfile
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(handle.name, path)
    except OSError as error:
        raise KeyFileError(f"{path} cannot be written: {error.strerror or error}") from error
