"""The master secret: 32 random bytes in a file, from which every key of the house is derived.

One key a purpose (HKDF, RFC 5869), so that what is learned of one says nothing of another. The file holds base64url,
mode 0600; whoever has it and the database can sign tokens: back it up apart from the database.
"""

import base64
import binascii
import hmac
import os
import secrets
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


class SecretKeyError(Exception):
    """The file of the master secret is missing, unreadable by rule, or not a key."""


class SecretKey:
    """Keys by purpose, keyed hashes, and sealing for what must be read again."""

    def __init__(self, master: bytes, *, service: str) -> None:
        """The keys of two services differ, even where both have the same master."""
        if len(master) != 32:
            raise SecretKeyError("the secret key must be 32 bytes, written as base64url")
        self._master = master
        self._service = service

    def __repr__(self) -> str:
        """Never the key."""
        return "SecretKey(…)"

    def derive(self, purpose: str) -> bytes:
        """Return the 32-byte key for `purpose`; always the same for the same master."""
        return HKDF(SHA256(), 32, None, f"{self._service} {purpose}".encode()).derive(self._master)

    def hasher(self, purpose: str) -> "KeyedHash":
        """Return the keyed hash for `purpose`."""
        return KeyedHash(self.derive(purpose))

    def seal(self, plain: bytes, *, purpose: str) -> bytes:
        """Encrypt with AES-256-GCM; the nonce (96 random bits) goes in front."""
        nonce = secrets.token_bytes(12)
        return nonce + AESGCM(self.derive(purpose)).encrypt(nonce, plain, None)

    def unseal(self, sealed: bytes, *, purpose: str) -> bytes:
        """Decrypt what `seal` made.

        Raises:
            SecretKeyError: another key sealed it, or it was changed.
        """
        from cryptography.exceptions import InvalidTag

        try:
            return AESGCM(self.derive(purpose)).decrypt(sealed[:12], sealed[12:], None)
        except InvalidTag as error:
            raise SecretKeyError("the secret key is not the one that this database was made with") from error


class KeyedHash:
    """HMAC-SHA-256 under one derived key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def __call__(self, text: str) -> bytes:
        """Return the hash, 32 bytes."""
        return hmac.digest(self._key, text.encode(), "sha256")

    def matches(self, text: str, expected: bytes) -> bool:
        """Compare in constant time."""
        return hmac.compare_digest(self(text), expected)


def load(path: Path, *, service: str, create: bool) -> SecretKey:
    """Read the master secret of a service; with `create`, make it when it is not there.

    Raises:
        SecretKeyError: not there and not to be made, readable by others, or not a key.
    """
    if create and not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            # O_EXCL: of two processes that start together, one makes the key and the other reads it.
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        except FileExistsError:
            pass
        else:
            with os.fdopen(descriptor, "wb") as file:
                file.write(base64.urlsafe_b64encode(secrets.token_bytes(32)) + b"\n")
                file.flush()
                os.fsync(file.fileno())
    try:
        if path.stat().st_mode & 0o077:
            raise SecretKeyError(f"{path} can be read by others: chmod 600 it")
        text = path.read_bytes().strip()
    except OSError as error:
        raise SecretKeyError(f"cannot read the secret key file {path}: {error.strerror}") from error
    try:
        return SecretKey(
            base64.b64decode(text + b"=" * (-len(text) % 4), altchars=b"-_", validate=True), service=service
        )
    except (binascii.Error, ValueError) as error:
        raise SecretKeyError(f"{path} does not hold base64url") from error
