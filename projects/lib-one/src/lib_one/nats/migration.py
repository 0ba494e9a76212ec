"""Where the streams and consumers on the server differ from the table, and how they are brought to agree.

A change that would lose what is stored, or that the server cannot make in place, is never made: it has an obstacle,
which says what an operator can do.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from lib_one.nats.session import ApiError, Session

_NOT_THERE = (10059, 10014)
"""The API's `err_code` for a stream, and for a consumer, that does not exist."""
_OF_A_STREAM = (
    "subjects",
    "retention",
    "storage",
    "discard",
    "num_replicas",
    "max_age",
    "max_msgs_per_subject",
    "duplicate_window",
    "allow_direct",
    "republish",
)
_DURATIONS = ("max_age", "duplicate_window", "ack_wait")
_FIXED = ("retention", "storage", "ack_policy", "deliver_policy")
"""What a server cannot change of something that is there."""


@dataclass(frozen=True)
class Difference:
    """One property that is not as the table says."""

    thing: str
    """`stream AUTH` or `consumer SHIPMENTS/app_svc__timeline`."""
    field: str
    found: str
    wanted: str
    obstacle: str | None = None
    """Why it is not changed, and what can be done."""

    def __str__(self) -> str:
        told = f"{self.thing}: {self.field}: {self.found} → {self.wanted}"
        return f"{told}\n  refused: {self.obstacle}" if self.obstacle else told


@dataclass(frozen=True)
class Comparison:
    """The server and the table, compared; with `applied`, after what could be changed was changed."""

    differences: tuple[Difference, ...]
    applied: bool

    @property
    def agrees(self) -> bool:
        """Whether the server is now as the table says."""
        return not self.differences or (self.applied and not any(one.obstacle for one in self.differences))

    def __str__(self) -> str:
        """For people."""
        last = "Done." if self.applied else "Nothing was changed: `topology apply` does it."
        if not self.differences:
            last = "The streams and consumers are as they should be."
        elif self.applied and not self.agrees:
            last = "What was refused is as it was; the rest is done."
        return "\n".join([*map(str, self.differences), last])


async def compare_stream(
    session: Session, config: dict[str, Any], *, keep_replicas: bool, apply: bool
) -> list[Difference]:
    """How a stream differs from the table; with `apply`, what has no obstacle is changed.

    Args:
        session: With the rights of an owner.
        config: The stream as it should be.
        keep_replicas: One that is there stays on as many nodes as it is on.
        apply: Change the server; else only look.

    Raises:
        ApiError: the server refused the change.
        BusUnavailableError: the bus went away.
    """
    name = config["name"]
    thing = f"stream {name}"
    try:
        info = await session.api(_StreamInfo, f"STREAM.INFO.{name}")
    except ApiError as error:
        if error.code not in _NOT_THERE:
            raise
        if apply:
            await session.api(msgspec.Raw, f"STREAM.CREATE.{name}", config)
        return [Difference(thing, "it", "not there", "made")]
    wanted = config | {"num_replicas": info.config["num_replicas"]} if keep_replicas else config
    differences = []
    kept = {}
    for field in _OF_A_STREAM:
        is_, should = info.config.get(field), wanted.get(field)
        if is_ != should:
            obstacle = _obstacle(field, is_, should, info)
            differences.append(Difference(thing, field, _words(field, is_), _words(field, should), obstacle))
            if obstacle:
                kept[field] = is_
    if apply and len(kept) < len(differences):
        await session.api(msgspec.Raw, f"STREAM.UPDATE.{name}", wanted | kept)
    return differences


async def compare_consumer(session: Session, stream: str, config: dict[str, Any], *, apply: bool) -> list[Difference]:
    """How a durable consumer differs from the table; with `apply` it is changed, unless something is in the way.

    Raises:
        ApiError: the server refused the change.
        BusUnavailableError: the bus went away.
    """
    name = config["name"]
    thing = f"consumer {stream}/{name}"
    request = {"stream_name": stream, "config": config}
    try:
        found = (await session.api(_ConsumerInfo, f"CONSUMER.INFO.{stream}.{name}")).config
    except ApiError as error:
        if error.code not in _NOT_THERE:
            raise
        if apply:
            await session.api(msgspec.Raw, f"CONSUMER.CREATE.{stream}.{name}", request)
        return [Difference(thing, "it", "not there", "made")]
    if "filter_subject" in found:  # the server's way to write one of them
        found["filter_subjects"] = [found["filter_subject"]]
    differences = []
    for field, should in config.items():
        if found.get(field) != should:
            obstacle = (
                f"it cannot be changed in place. `nats consumer rm {stream} {name}`, then apply again: it reads from "
                "the beginning, and what was handled before has no second effect"
                if field in _FIXED
                else None
            )
            words = _words(field, found.get(field)), _words(field, should)
            differences.append(Difference(thing, field, *words, obstacle))
    if apply and differences and not any(difference.obstacle for difference in differences):
        await session.api(msgspec.Raw, f"CONSUMER.CREATE.{stream}.{name}", request)
    return differences


def _obstacle(field: str, found: Any, wanted: Any, info: "_StreamInfo") -> str | None:
    name, state = info.config["name"], info.state
    if field in _FIXED:
        return (
            f"it cannot be changed in place. `nats stream backup {name} FOLDER`, remove the stream, apply again; the "
            "outboxes of the services can fill it with the last day"
        )
    if field == "subjects" and (lost := [subject for subject in found if subject not in wanted]):
        return (
            f"what is published to {', '.join(lost)} would not be stored any more. When nobody does, take it away "
            f"with `nats stream edit {name}`"
        )
    if field == "max_age" and wanted and (not found or wanted < found) and state.messages:
        begins = info.ts - timedelta(microseconds=wanted / 1000)
        if state.first_ts < begins:
            return (
                f"messages from {state.first_ts:%Y-%m-%d %H:%M} to {begins:%Y-%m-%d %H:%M} would be deleted. Keep them "
                f"with `nats stream backup {name} FOLDER`, then delete them with `nats stream purge {name}`"
            )
    if field == "max_msgs_per_subject" and 0 < wanted * state.num_subjects < state.messages:
        return (
            f"of {state.messages:,} messages, those that are not the newest of their subject would be deleted. Keep "
            f"them with `nats stream backup {name} FOLDER`, then delete them with `nats stream purge {name}`"
        )
    return None


def _words(field: str, value: Any) -> str:
    if value is None:
        return "none"
    if field in _DURATIONS:
        return str(timedelta(microseconds=value / 1000)) if value else "for ever"
    if isinstance(value, list):
        return ", ".join(value)
    if isinstance(value, dict):
        return f"{value['src']} as {value['dest']}"
    return str(value)


class _State(msgspec.Struct):
    messages: int = 0
    num_subjects: int = 0
    first_ts: datetime = datetime(1, 1, 1, tzinfo=UTC)


class _StreamInfo(msgspec.Struct):
    config: dict[str, Any]
    state: _State
    ts: datetime


class _ConsumerInfo(msgspec.Struct):
    config: dict[str, Any]
