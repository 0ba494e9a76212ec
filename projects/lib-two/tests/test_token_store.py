"""Tokens at rest: kept, sealed, replaced at once, and found damaged when they are."""

import json
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import keyring.backend
import keyring.core
import pytest
from filelock import Timeout

from lib_two import store_key
from lib_two.errors import StoreError
from lib_two.token_store import TokenSet, TokenStore

ISSUER, CLIENT = "http://127.0.0.1:8400", "cli-proj"
TOKENS = TokenSet(
    access_token="access-secret",
    token_type="Bearer",
    expires_at=datetime(2026, 11, 20, 12, 0, tzinfo=UTC),
    scope="openid shipments:read",
    refresh_token="refresh-secret",
    id_token="id-secret",
)


class MemoryKeyring(keyring.backend.KeyringBackend):
    """A real keyring, as far as anyone can tell."""

    priority = 5  # type: ignore[assignment]
    kept: ClassVar[dict[tuple[str, str], str]] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.kept[service, username]


class StuckKeyring(MemoryKeyring):
    """A locked keyring that waits for somebody who is not there."""

    def get_password(self, service: str, username: str) -> str | None:
        threading.Event().wait(30)
        return None

    set_password = get_password  # type: ignore[assignment]


class NullKeyring(MemoryKeyring):
    priority = -1  # type: ignore[assignment]


class ForgetfulKeyring(MemoryKeyring):
    def get_password(self, service: str, username: str) -> str | None:
        return None


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "state" / "tokens"


@pytest.fixture
def store(directory: Path) -> TokenStore:
    return TokenStore(directory, keyring=False)


@pytest.fixture
def no_keyring_left() -> Iterator[None]:
    MemoryKeyring.kept.clear()
    yield
    keyring.core._keyring_backend = None


def files(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_what_is_saved_is_loaded(store: TokenStore, directory: Path) -> None:
    assert store.load(ISSUER, CLIENT) is None
    store.save(ISSUER, CLIENT, TOKENS)
    assert store.load(ISSUER, CLIENT) == TOKENS
    assert TokenStore(directory, keyring=False).load(ISSUER, CLIENT) == TOKENS


def test_each_issuer_and_client_has_its_own(store: TokenStore) -> None:
    store.save(ISSUER, CLIENT, TOKENS)
    assert store.load(ISSUER, "gui-proj") is None
    assert store.load(ISSUER + "/", CLIENT) is None


def test_forgotten_tokens_are_gone(store: TokenStore, directory: Path) -> None:
    store.save(ISSUER, CLIENT, TOKENS)
    store.forget(ISSUER, CLIENT)
    store.forget(ISSUER, CLIENT)
    assert store.load(ISSUER, CLIENT) is None
    assert [path.name for path in directory.iterdir()] == ["key.json"]


def test_nothing_readable_lies_in_the_folder_and_nobody_else_may_look(store: TokenStore, directory: Path) -> None:
    store.save(ISSUER, CLIENT, TOKENS)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    for path in directory.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert b"secret-" not in path.read_bytes()
        for word in (b"access-secret", b"refresh-secret", b"id-secret"):
            assert word not in path.read_bytes()


def test_folder_that_was_open_is_closed(store: TokenStore, directory: Path) -> None:
    directory.mkdir(parents=True, mode=0o755)
    directory.chmod(0o755)
    store.save(ISSUER, CLIENT, TOKENS)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_same_tokens_are_sealed_differently_each_time(store: TokenStore, directory: Path) -> None:
    store.save(ISSUER, CLIENT, TOKENS)
    first = files(directory)
    store.save(ISSUER, CLIENT, TOKENS)
    assert files(directory) != first


@pytest.mark.parametrize(
    "damage",
    [b"", b"{}", b"not json", b"\x00\xff", b'{"key_id":"x","nonce":"AAAA","sealed":"AAAA"}', b"[]", None],
)
def test_damaged_file_is_named_with_what_to_do(store: TokenStore, directory: Path, damage: bytes | None) -> None:
    store.save(ISSUER, CLIENT, TOKENS)
    (path,) = directory.glob("*.tokens")
    if damage is None:  # one bit of the seal
        kept = json.loads(path.read_bytes())
        kept["sealed"] = ("A" if kept["sealed"][0] != "A" else "B") + kept["sealed"][1:]
        damage = json.dumps(kept).encode()
    path.write_bytes(damage)
    with pytest.raises(StoreError, match=r"Delete it and sign in again") as caught:
        store.load(ISSUER, CLIENT)
    assert str(path) in str(caught.value)
    store.save(ISSUER, CLIENT, TOKENS)
    assert store.load(ISSUER, CLIENT) == TOKENS


@pytest.mark.parametrize("damage", [b"", b"{}", b'{"id":"x","place":"file","secret":"AAAA"}', b"\xff", b"[1]"])
def test_damaged_key_is_named_with_what_to_do(store: TokenStore, directory: Path, damage: bytes) -> None:
    store.save(ISSUER, CLIENT, TOKENS)
    (directory / "key.json").write_bytes(damage)
    for attempt in (lambda: store.load(ISSUER, CLIENT), lambda: store.save(ISSUER, CLIENT, TOKENS)):
        with pytest.raises(StoreError, match=r"Delete the folder .* and sign in again"):
            attempt()


def test_lost_or_foreign_key_does_not_open_the_file(store: TokenStore, directory: Path, tmp_path: Path) -> None:
    store.save(ISSUER, CLIENT, TOKENS)
    other = TokenStore(tmp_path / "other", keyring=False)
    other.save(ISSUER, CLIENT, TOKENS)
    (directory / "key.json").write_bytes((tmp_path / "other" / "key.json").read_bytes())
    with pytest.raises(StoreError):
        store.load(ISSUER, CLIENT)
    (directory / "key.json").unlink()
    with pytest.raises(StoreError):
        store.load(ISSUER, CLIENT)


def test_file_of_one_client_cannot_pass_for_that_of_another(store: TokenStore, directory: Path) -> None:
    store.save(ISSUER, CLIENT, TOKENS)
    (mine,) = directory.glob("*.tokens")
    content = mine.read_bytes()
    store.save(ISSUER, "gui-proj", TOKENS)
    for path in directory.glob("*.tokens"):
        path.write_bytes(content)
    with pytest.raises(StoreError):
        store.load(ISSUER, "gui-proj")


def test_file_in_the_place_of_the_folder_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text("")
    store = TokenStore(tmp_path / "tokens", keyring=False)
    with pytest.raises(StoreError):
        store.save(ISSUER, CLIENT, TOKENS)
    with pytest.raises(StoreError):
        store.load(ISSUER, CLIENT)
    with pytest.raises(StoreError):
        store.lock(ISSUER, CLIENT)


def test_failed_write_leaves_the_old_tokens(
    store: TokenStore, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.save(ISSUER, CLIENT, TOKENS)
    before = files(directory)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="No space left"):
        store.save(ISSUER, CLIENT, TOKENS)
    assert files(directory) == before


def test_two_that_make_the_key_at_once_end_with_one_key(directory: Path) -> None:
    directory.mkdir(parents=True)
    path = directory / "key.json"
    keys: list[store_key.StoreKey] = []
    threads = [threading.Thread(target=lambda: keys.append(store_key.create(path, keyring=False))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({key.secret for key in keys}) == 1
    assert [path.name for path in directory.iterdir()] == ["key.json"]


def test_file_system_without_hard_links_is_enough(
    store: TokenStore, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    store.save(ISSUER, CLIENT, TOKENS)
    assert store.load(ISSUER, CLIENT) == TOKENS
    assert len(list(directory.iterdir())) == 2


@pytest.mark.usefixtures("no_keyring_left")
def test_key_goes_into_a_real_keyring_and_is_found_there_again(directory: Path) -> None:
    keyring.set_keyring(MemoryKeyring())
    TokenStore(directory).save(ISSUER, CLIENT, TOKENS)
    record = json.loads((directory / "key.json").read_bytes())
    assert record["place"] == "keyring"
    assert "secret" not in record
    keyring.core._keyring_backend = None  # another process, which does not look for keyrings
    assert TokenStore(directory).load(ISSUER, CLIENT) == TOKENS
    MemoryKeyring.kept.clear()
    with pytest.raises(StoreError, match="sign in again"):
        TokenStore(directory).load(ISSUER, CLIENT)


@pytest.mark.usefixtures("no_keyring_left")
@pytest.mark.parametrize("backend", [NullKeyring, ForgetfulKeyring, StuckKeyring])
def test_keyring_that_is_none_is_passed_over(
    directory: Path, backend: type[MemoryKeyring], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_key, "_PATIENCE", 0.05)
    keyring.set_keyring(backend())
    store = TokenStore(directory)
    store.save(ISSUER, CLIENT, TOKENS)
    assert json.loads((directory / "key.json").read_bytes())["place"] == "file"
    assert store.load(ISSUER, CLIENT) == TOKENS


@pytest.mark.usefixtures("no_keyring_left")
def test_keyring_that_locks_up_later_is_a_clear_error(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keyring.set_keyring(MemoryKeyring())
    store = TokenStore(directory)
    store.save(ISSUER, CLIENT, TOKENS)
    monkeypatch.setattr(store_key, "_PATIENCE", 0.05)
    monkeypatch.setattr(store_key, "_backend", lambda name: StuckKeyring())
    with pytest.raises(StoreError, match="Unlock it"):
        store.load(ISSUER, CLIENT)


def test_lock_holds_across_instances_and_is_free_afterwards(store: TokenStore, directory: Path) -> None:
    with store.lock(ISSUER, CLIENT):
        other = TokenStore(directory, keyring=False).lock(ISSUER, CLIENT)
        with pytest.raises(Timeout):
            other.acquire(blocking=False)
        with TokenStore(directory, keyring=False).lock(ISSUER, "gui-proj"):
            pass
    with other:
        pass


def run(code: str, *arguments: Any) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout


def test_import_is_cheap() -> None:
    loaded = run("import sys, lib_two.session, lib_two.token_store; print(' '.join(sys.modules))").split()
    heavy = {"httpx", "authlib", "joserfc", "cryptography", "keyring", "filelock", "nats", "fastapi", "sqlalchemy"}
    assert heavy.isdisjoint(loaded)


def test_stored_token_path_loads_no_network_and_no_keyring(store: TokenStore, directory: Path) -> None:
    store.save(ISSUER, CLIENT, TOKENS)
    code = (
        "import sys, pathlib; from lib_two.token_store import TokenStore;"
        "tokens = TokenStore(pathlib.Path(sys.argv[1])).load(*sys.argv[2:4]);"
        "print(tokens.access_token, *sys.modules)"
    )
    token, *loaded = run(code, directory, ISSUER, CLIENT).split()
    assert token == "access-secret"
    assert {"httpx", "authlib", "joserfc", "keyring", "filelock", "asyncio"}.isdisjoint(loaded)
