"""A folder with the nkeys of the bus: those of its users and of the door, each secret in a file of its own (0600)."""

import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from lib_one.nats.rights import DOOR_CURVE, DOOR_ISSUER, KEYS
from lib_one.nats.seeds import new_account_seed, new_curve_seed, new_user_seed, public_key

_NEW_SEED = {DOOR_ISSUER: new_account_seed, DOOR_CURVE: new_curve_seed}


class KeyFolder:
    """The keys in a folder. Each is made when it is first asked for.

    Args:
        path: The folder; it is made with mode 0700 if it is not there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def file(self, name: str) -> Path:
        """Where the secret of an nkey lies."""
        return self.path / f"{name}.nk"

    def seed(self, name: str) -> str:
        """The secret of an nkey."""
        path = self.file(name)
        if not path.exists():
            self.make()
            write_secret(path, _NEW_SEED.get(name, new_user_seed)() + "\n")
        return path.read_text().strip()

    def public(self, names: Iterable[str] = KEYS) -> dict[str, str]:
        """What the server knows each of them by."""
        return {name: public_key(self.seed(name)) for name in names}

    def make(self) -> None:
        """Make the folder, and the one that it is in."""
        for folder in (self.path.parent, self.path):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)


def write_secret(path: Path, text: str) -> None:
    """Write a file that nobody else can read, whole or not at all."""
    draft = path.with_suffix(f".{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)
