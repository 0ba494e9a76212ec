"""Databases: the unit of work, the outbox with its relay, the inbox, and migrations at start.

- `open_database(url)` → `Database`: `work`, `read`, `lookup`; what they run gets a `Connection`
- `upgrade(url, package="auth_svc")` runs the migrations;
  they call `create_outbox(op)` and `create_inbox(op)`; the first one again where a release adds to the outbox
- `Outbox`, `Relay`, `Inbox`: facts leave with the state that they tell of, and take effect once
- `send_again(connection, since=...)`: facts that the bus has lost, or may have lost, are published once more
- `UtcDateTime`: the column type for every time
- `InsertOnce`: one-time things are claimed by one statement
- `Sweep`: what has expired is deleted in bounded batches; `sweep_all(database, batch)` until nothing is left
- `Prepared`: a Core statement for the hot path, a quarter of the cost of `connection.execute`
"""

from sqlalchemy import Connection

from lib_one.sql.bookmarks import send_again
from lib_one.sql.column_types import UtcDateTime
from lib_one.sql.database import Database, open_database
from lib_one.sql.errors import DatabaseClosedError, DatabaseError, DatabaseUnavailableError, WorkAbortedError
from lib_one.sql.inbox import Inbox
from lib_one.sql.insert_once import InsertOnce
from lib_one.sql.migration import create_inbox, create_outbox, upgrade
from lib_one.sql.outbox import Outbox
from lib_one.sql.prepared import Prepared
from lib_one.sql.relay import STUCK, Backlog, Relay
from lib_one.sql.sweep import Sweep, sweep_all

__all__ = [
    "STUCK",
    "Backlog",
    "Connection",
    "Database",
    "DatabaseClosedError",
    "DatabaseError",
    "DatabaseUnavailableError",
    "Inbox",
    "InsertOnce",
    "Outbox",
    "Prepared",
    "Relay",
    "Sweep",
    "UtcDateTime",
    "WorkAbortedError",
    "create_inbox",
    "create_outbox",
    "open_database",
    "send_again",
    "sweep_all",
    "upgrade",
]
