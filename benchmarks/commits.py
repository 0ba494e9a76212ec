"""auth-svc as it is, but that it notes when each revocation was committed: `python -m benchmarks.commits serve`.

The clock is the monotonic one of the machine, which all its processes share.
"""

import os
import struct
import time
from pathlib import Path

from auth_svc.__main__ import main
from lib_one.sql.group_commit import GroupCommit

FILE = "BENCHMARK_COMMITS"
"""The variable that names the file for the notes."""
_STAMP = struct.Struct("d")


def read(file: Path) -> list[float]:
    """All that was noted, in order, as `time.monotonic` counts."""
    return [moment for (moment,) in _STAMP.iter_unpack(file.read_bytes())]


def _note() -> None:
    commit = GroupCommit._commit
    notes = os.open(os.environ[FILE], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def noted(self: GroupCommit) -> bool:
        committed = commit(self)
        if committed and self._writer.unit.urgent:
            os.write(notes, _STAMP.pack(time.monotonic()))
        return committed

    GroupCommit._commit = noted  # type: ignore[method-assign]


if __name__ == "__main__":
    _note()
    main()
