"""What can go wrong with events, as types.

EventError
├── MalformedEventError      an envelope or payload that cannot be read
├── UnknownEventTypeError    a type that no contract here has
├── UnregisteredEventError   a fact whose class is no contract: it cannot be told
├── SubjectError             an id that cannot be part of a NATS subject
├── BusUnavailableError      the bus is away; what was sent may or may not have been stored
├── StreamChangedError       the stream does not stand where it should; nothing was stored
├── BusRefusedError          the bus answers, and it does not take this from us: sending again cannot help
├── LetterNotFoundError      no dead letter has this number
└── ReplayRefusedError       a dead letter, or what a consumer has read, cannot be given to it again
"""


class EventError(Exception):
    """Anything that goes wrong between a fact and its reader."""


class MalformedEventError(EventError):
    """An envelope or a payload that cannot be read."""


class UnknownEventTypeError(EventError):
    """A CloudEvents type that no contract here has."""

    def __init__(self, type_: str) -> None:
        super().__init__(f"no contract has the type {type_!r}")
        self.type = type_


class UnregisteredEventError(EventError):
    """A fact whose class is no contract. Nobody could read it, so it is not told."""

    def __init__(self, cls: type) -> None:
        super().__init__(
            f"{cls.__module__}.{cls.__qualname__} is not in the registry of events: give the class itself a name and a "
            "version with @contract('thing.done.v1')"
        )


class SubjectError(EventError):
    """An id that cannot be one token of a NATS subject."""

    def __init__(self, identifier: str) -> None:
        super().__init__(
            f"{identifier[:140]!r} cannot be part of a NATS subject: use 1 to 128 letters, digits, '-' or '_'"
        )


class BusUnavailableError(EventError):
    """The bus is away or did not answer in time. The message may have been stored: send it again with its own id."""


class StreamChangedError(EventError):
    """The stream does not stand where the publisher said (`After`). Nothing was stored."""


class BusRefusedError(EventError):
    """The bus does not take this from us: no permission for the subject, or the message is too large. Permanent."""


class LetterNotFoundError(EventError):
    """No dead letter of this service has this number: it was replayed or dropped, or has had its time."""

    def __init__(self, number: int) -> None:
        super().__init__(f"there is no dead letter {number}")
        self.number = number


class ReplayRefusedError(EventError):
    """A message cannot be given to a consumer again; the text says why."""
