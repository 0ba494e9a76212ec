"""Files that only their owner may read, written whole or not at all.

`tempfile` would do the half of it, and costs more time to import than all the rest of the way to a stored token.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def replace(path: Path, content: bytes) -> None:
    """Put `content` in the place of what is there, at once. Raises OSError; then the old content stays."""
    with _temporary(path, content) as temporary:
        temporary.replace(path)


def create(path: Path, content: bytes) -> None:
    """Put `content` there unless somebody else was quicker. Raises OSError."""
    with _temporary(path, content) as temporary:
        try:
            os.link(temporary, path)  # unlike a rename, this replaces nothing
        except FileExistsError:
            return
        except OSError:  # a file system without hard links
            temporary.replace(path)


@contextmanager
def _temporary(path: Path, content: bytes) -> Iterator[Path]:
    """A file beside `path`, with mode 0600, on the disk; it is gone at the end of the block."""
    temporary = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)
