"""The plan goes to app-svc, batch by batch. Sending the same plan again changes nothing there."""

from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import NamedTuple

import msgspec

from cli_proj.api import BATCH_LIMIT, Result
from cli_proj.csv_import.mapping import REFERENCE

type Entry = dict[str, object]
type SendBatch = Callable[[list[Entry]], Awaitable[list[Result]]]

BATCH_BYTES = 400_000
"""A batch is closed before it grows beyond this, whatever the cells of a file hold."""


class Problem(NamedTuple):
    """Something that was not imported, and why. `line` is the first line of the shipment, or the bad line."""

    line: int
    reference: str
    outcome: str
    """`bad line`, `conflict` or `invalid`."""
    reason: str


class Tally(msgspec.Struct):
    """What became of the shipments that were sent."""

    created: int = 0
    unchanged: int = 0
    conflicts: int = 0
    invalid: int = 0
    problems: list[Problem] = []

    @property
    def sent(self) -> int:
        """How many shipments app-svc has answered for."""
        return self.created + self.unchanged + self.conflicts + self.invalid

    def count(self, result: Result, *, reference: str, line: int) -> None:
        """Take one answer in."""
        if result.outcome == "created":
            self.created += 1
            return
        if result.outcome == "unchanged":
            self.unchanged += 1
            return
        if result.outcome == "conflict":
            self.conflicts += 1
        else:
            self.invalid += 1
        self.problems.append(Problem(line, reference, result.outcome, result.detail or "app-svc gave no reason"))


async def send(
    entries: Iterable[Entry],
    tally: Tally,
    *,
    send_batch: SendBatch,
    line_of: Callable[[str], int],
    progress: Callable[[int], None],
) -> None:
    """Send all entries in batches, one after the other; `tally` is right after each batch, whatever happens next."""
    for batch in batches(entries):
        for entry, result in zip(batch, await send_batch(batch), strict=True):
            reference = str(entry[REFERENCE])
            tally.count(result, reference=reference, line=line_of(reference))
        progress(len(batch))


def batches(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """Entries in groups of at most BATCH_LIMIT and about BATCH_BYTES."""
    batch: list[Entry] = []
    size = 0
    for entry in entries:
        weight = len(msgspec.json.encode(entry)) + 1
        if batch and (len(batch) == BATCH_LIMIT or size + weight > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(entry)
        size += weight
    if batch:
        yield batch
