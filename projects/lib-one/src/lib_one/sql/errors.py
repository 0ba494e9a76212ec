"""What can go wrong with a database, as types."""

from datetime import timedelta


class DatabaseError(Exception):
    """Anything that goes wrong between a unit of work and its database."""


class DatabaseUnavailableError(DatabaseError):
    """The database is away, full or held by somebody else for too long. Nothing is known to be written: try again.

    The answer to a caller over HTTP is 503 with `Retry-After`.
    """

    def __init__(self, reason: str, *, retry_after: timedelta = timedelta(seconds=1)) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class DatabaseClosedError(DatabaseError):
    """The database was closed before this unit of work was given to it."""


class WorkAbortedError(DatabaseError):
    """A unit of work did what it must not: it ended its transaction, or raised something that is no `Exception`."""


def as_exception(error: BaseException) -> Exception:
    """What can be raised at a waiter: a future refuses `StopIteration`, and the rest would end the event loop."""
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    aborted = WorkAbortedError(f"a unit of work raised {type(error).__name__}")
    aborted.__cause__ = error
    return aborted
