"""Tokens at rest: one encrypted file for each issuer and client, and a lock that makes parallel processes refresh once.

The key of the encryption lies in the system's keyring when there is a real one, else in a file beside the tokens.

What that protects against, honestly: with a keyring, a copy of the folder (a backup, a stolen disk) is worthless
without the keyring. With the key in a file, the encryption only keeps tokens out of searches, indexes and careless
`cat`s and `grep`s; who can read the folder can read the tokens, and it is the permissions (0700 and 0600) that keep
other users out. Neither protects against a program that runs as you.

This module is on the path of commands that must start fast: it imports nothing heavy before it needs it.
"""

import os
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from lib_two import private_files, store_key
from lib_two.errors import StoreError

if TYPE_CHECKING:
    from filelock import BaseFileLock


class TokenSet(msgspec.Struct, frozen=True, kw_only=True):
    """What a token endpoint gave (RFC 6749 section 5.1)."""

    access_token: str
    token_type: str
    """`Bearer`, or `DPoP` for one that is bound to a key."""
    expires_at: datetime
    """When the access token ends: aware, in UTC."""
    scope: str
    """What was granted, separated by spaces."""
    refresh_token: str | None = None
    id_token: str | None = None
    """As it was given; it was validated when it arrived."""
    proof_key: bytes | None = None
    """The key that they are bound to (`lib_two.dpop`), if they are."""


class _Kept(msgspec.Struct, frozen=True):
    """What lies in a file."""

    key_id: str
    nonce: bytes
    sealed: bytes
    version: int = 1


class TokenStore:
    """The kept tokens of one person, in one folder (made with mode 0700).

    All methods are synchronous and quick. With `keyring=False` a key that has to be made goes into a file.
    """

    def __init__(self, directory: Path, *, keyring: bool = True) -> None:
        self.directory = directory
        self._keyring = keyring
        self._key_path = directory / "key.json"

    def load(self, issuer: str, client_id: str) -> TokenSet | None:
        """The tokens kept for this issuer and client, or `None`. They may have expired.

        Raises:
            StoreError: the file is damaged, foreign, or cannot be read. The message says what to do.
        """
        path = self._path(issuer, client_id)
        try:
            raw = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(f"{path} cannot be read: {error.strerror}. Check the folder's owner and mode.") from error
        key = store_key.load(self._key_path)
        if key is None:
            raise _damaged(path)
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        try:
            kept = msgspec.json.decode(raw, type=_Kept)
            if kept.version != 1 or kept.key_id != key.id:
                raise _damaged(path)
            plain = AESGCM(key.secret).decrypt(kept.nonce, kept.sealed, _binding(issuer, client_id))
            return msgspec.json.decode(plain, type=TokenSet)
        except (msgspec.DecodeError, InvalidTag, ValueError) as error:
            raise _damaged(path) from error

    def save(self, issuer: str, client_id: str, tokens: TokenSet) -> None:
        """Keep these tokens in place of what was there. The file is replaced at once or not at all.

        Raises:
            StoreError: the folder cannot be written.
        """
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        path = self._path(issuer, client_id)
        try:
            self._make_directory()
            key = store_key.load(self._key_path) or store_key.create(self._key_path, keyring=self._keyring)
            nonce = os.urandom(12)
            sealed = AESGCM(key.secret).encrypt(nonce, msgspec.json.encode(tokens), _binding(issuer, client_id))
            private_files.replace(path, msgspec.json.encode(_Kept(key.id, nonce, sealed)))
        except OSError as error:
            raise StoreError(f"{self.directory} cannot be written: {error.strerror or error}.") from error

    def forget(self, issuer: str, client_id: str) -> None:
        """Delete what is kept for this issuer and client, if anything."""
        try:
            self._path(issuer, client_id).unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"{self.directory} cannot be written: {error.strerror}.") from error

    def lock(self, issuer: str, client_id: str) -> "BaseFileLock":
        """A lock across processes, as a context manager; waits 30 s at most (`filelock.Timeout`).

        It ends with the process that holds it, however that ends.

        Raises:
            StoreError: the folder cannot be made.
        """
        from filelock import FileLock

        self._make_directory()
        path = self._path(issuer, client_id).with_suffix(".lock")
        return FileLock(path, timeout=30, mode=0o600, thread_local=False)

    def _make_directory(self) -> None:
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self.directory.stat().st_mode & 0o077:
                self.directory.chmod(0o700)
        except OSError as error:
            raise StoreError(f"{self.directory} cannot be used for tokens: {error.strerror}.") from error

    def _path(self, issuer: str, client_id: str) -> Path:
        return self.directory / f"{sha256(_binding(issuer, client_id)).hexdigest()[:32]}.tokens"


def _binding(issuer: str, client_id: str) -> bytes:
    """Goes into the seal, so that a file cannot be passed off as that of another issuer or client."""
    return msgspec.json.encode([issuer, client_id])


def _damaged(path: Path) -> StoreError:
    return StoreError(f"{path} is damaged, or was not written by this program. Delete it and sign in again.")
