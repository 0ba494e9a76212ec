"""Where the key that encrypts the kept tokens lies: in the system's keyring, or in a file with mode 0600.

Only the key goes into the keyring, never the tokens: some keyrings take 1 or 2 kB at most, and a token set is bigger.
Looking for a keyring costs a quarter of a second, so it is done once, and the answer is written down beside the key.
"""

import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Literal

import msgspec

from lib_two import private_files
from lib_two.errors import StoreError

_SERVICE = "event-based-svcs tokens"
_PATIENCE = 5.0
"""Seconds that a keyring has. A locked one asks its owner, and on a machine without a screen nobody answers."""


class StoreKey(msgspec.Struct, frozen=True):
    """A key in hand."""

    id: str
    secret: bytes
    """32 bytes, for AES-256-GCM."""


class _Record(msgspec.Struct, frozen=True, omit_defaults=True):
    id: str
    place: Literal["file", "keyring"]
    secret: str | None = None
    """base64url, when the place is the file."""
    backend: str | None = None
    """Python name of the keyring's class, so that it is found again without looking at all of them."""


def load(path: Path) -> StoreKey | None:
    """The key that `path` holds or points to, or `None` when there is none yet.

    Raises:
        StoreError: the file is damaged, or the keyring does not give the key.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}. Check the folder's owner and mode.") from error
    try:
        record = msgspec.json.decode(raw, type=_Record)
        if record.place == "keyring":
            text = _patiently(lambda: _backend(record.backend or "").get_password(_SERVICE, record.id))
        else:
            text = record.secret
        secret = urlsafe_b64decode(text or "")
    except _KeyringSilentError as error:
        raise StoreError(
            f"The system's keyring does not give the key of your kept tokens ({error}). Unlock it and try again, "
            f"or delete the folder {path.parent} and sign in again."
        ) from error
    except (msgspec.DecodeError, ValueError) as error:
        raise _damaged(path) from error
    if len(secret) != 32:
        raise _damaged(path)
    return StoreKey(record.id, secret)


def create(path: Path, *, keyring: bool) -> StoreKey:
    """Make a key, in the keyring if there is a real one. If another process was quicker, its key is returned."""
    key = StoreKey(os.urandom(8).hex(), os.urandom(32))
    text = urlsafe_b64encode(key.secret).decode()
    backend = _put_into_keyring(key.id, text) if keyring else None
    record = _Record(key.id, "file", secret=text) if backend is None else _Record(key.id, "keyring", backend=backend)
    private_files.create(path, msgspec.json.encode(record))
    kept = load(path)
    if kept is None:
        raise _damaged(path)
    return kept


def _damaged(path: Path) -> StoreError:
    return StoreError(
        f"{path} is damaged, or was not written by this program. Delete the folder {path.parent} and sign in again."
    )


class _KeyringSilentError(Exception):
    """The keyring raised, said nothing, or took too long."""


def _put_into_keyring(key_id: str, text: str) -> str | None:
    """Store in the keyring and read back. Returns the backend's name, or `None` where there is no real keyring."""

    def put() -> str | None:
        import keyring

        backend = keyring.get_keyring()
        # Real keyrings have priority 1 and more; `fail`, `null` and plain-text files have less.
        if backend.priority < 1:
            return None
        backend.set_password(_SERVICE, key_id, text)
        if backend.get_password(_SERVICE, key_id) != text:
            return None
        return f"{type(backend).__module__}.{type(backend).__qualname__}"

    with suppress(_KeyringSilentError):
        return _patiently(put)
    return None


class _Backend:
    """The part of a keyring that is needed here."""

    def get_password(self, service: str, username: str) -> str | None:
        raise NotImplementedError


def _backend(name: str) -> _Backend:
    import keyring.core

    backend: _Backend = keyring.core.load_keyring(name)  # type: ignore[assignment]
    return backend


def _patiently[T](work: Callable[[], T]) -> T:
    """Run `work` in a thread of its own, since keyrings may block for ever. Raises _KeyringSilentError."""
    import threading

    results: list[T] = []
    faults: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except Exception as error:
            faults.append(error)

    thread = threading.Thread(target=run, daemon=True, name="keyring")
    thread.start()
    thread.join(_PATIENCE)
    if results:
        return results[0]
    if faults:
        raise _KeyringSilentError(str(faults[0])) from faults[0]
    raise _KeyringSilentError("it did not answer")
