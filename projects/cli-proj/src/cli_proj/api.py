"""The API of app-svc as this program uses it, and of auth-svc where that has the same.

What comes back is checked, and kept as it came for JSON output.

Errors: those of `lib_two.session`, and CliError for an answer that is not what the API promises.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

import msgspec

from cli_proj.errors import CliError, ExitCode, malformed

if TYPE_CHECKING:
    from lib_two.session import Session

BATCH_LIMIT = 500
PAGE_LIMIT = 500

type Outcome = Literal["created", "unchanged", "conflict", "invalid"]

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_PLAIN = re.compile(r"\w[\w.~-]*")


class Place(msgspec.Struct, frozen=True):
    """Where something is, as far as it is known."""

    name: str
    country: str | None = None
    latitude: float | None = None
    longitude: float | None = None

    def __str__(self) -> str:
        return f"{self.name}, {self.country}" if self.country and self.country != self.name else self.name


class Shipment(msgspec.Struct, frozen=True):
    """A shipment as the API gives it."""

    id: str
    reference: str
    status: str
    late: bool
    origin: Place
    destination: Place
    last_place: Place | None
    promised_at: datetime | None
    registered_at: datetime
    delivered_at: datetime | None
    updated_at: datetime
    revision: int


class Entry(msgspec.Struct, frozen=True):
    """One line of a timeline."""

    kind: str
    biz_step: str | None
    place: Place
    occurred_at: datetime
    recorded_at: datetime
    by: str
    note: str | None = None

    @property
    def what(self) -> str:
        """What happened, in a word: `registered`, the step of a scan, `delivered`."""
        return self.biz_step if self.kind == "scanned" and self.biz_step else self.kind


class Page(msgspec.Struct, frozen=True):
    """A part of the list."""

    items: list[Shipment]
    total: int
    next_cursor: str | None


class Timeline(msgspec.Struct, frozen=True):
    """A shipment and its history."""

    shipment: Shipment
    entries: list[Entry]


class ScanAnswer(msgspec.Struct, frozen=True):
    """A scan was recorded (or had been, with this id)."""

    scan_id: str
    shipment: Shipment


class Result(msgspec.Struct, frozen=True):
    """What became of one entry of a batch. Results come in the order of the entries."""

    outcome: Outcome
    detail: str | None = None


class _Results(msgspec.Struct, frozen=True):
    results: list[Result]


class Answer[T]:
    """What came back: checked, and as it came (members that this program does not know included)."""

    def __init__(self, value: T, raw: Any, *, status: int) -> None:
        self.value = value
        self.raw = raw
        self.status = status


class _Api:
    """The API over HTTP, in the name of whoever is signed in."""

    def __init__(self, session: "Session", app_url: str) -> None:
        self.session = session
        self._base = app_url

    async def _call[T](
        self,
        method: str,
        path: str,
        type_: type[T],
        *,
        params: Mapping[str, str] | None = None,
        json: Mapping[str, object] | None = None,
        timeout: float = 15.0,
    ) -> Answer[T]:
        address = self._base + path
        extra: dict[str, Any] = {"timeout": timeout}
        if params is not None:
            extra["params"] = params
        if json is not None:
            extra["content"] = msgspec.json.encode(json)
            extra["headers"] = {"content-type": "application/json"}
        response = await self.session.request(method, address, **extra)
        if response.status_code >= 300:
            raise malformed(address, f"a redirect (status {response.status_code}) was not to be expected")
        try:
            raw = msgspec.json.decode(response.content or b"null")
            return Answer(msgspec.convert(raw, type_), raw, status=response.status_code)
        except msgspec.MsgspecError as error:
            raise malformed(address, str(error)) from error


class Shipments(_Api):
    """Shipments: list, show, register, scan."""

    @property
    def live_url(self) -> str:
        """Where the live feed is."""
        return f"{self._base}/shipments/live"

    async def page(self, filters: Mapping[str, str | int | bool | None]) -> Answer[Page]:
        """One page of the list; filters that are None are left out."""
        parameters = {name: _parameter(value) for name, value in filters.items() if value is not None}
        return await self._call("GET", "/shipments", Page, params=parameters)

    async def timeline(self, key: str) -> Answer[Timeline]:
        """A shipment, by its id or reference, with its history."""
        return await self._call("GET", f"/shipments/{await self._segment(key)}/timeline", Timeline)

    async def register(self, shipment: Mapping[str, object]) -> Answer[Shipment]:
        """Make a shipment known. Status 201 for a new one, 200 where the same was known."""
        return await self._call("POST", "/shipments", Shipment, json=shipment)

    async def scan(self, key: str, scan: Mapping[str, object]) -> Answer[ScanAnswer]:
        """Record a scan. Safe to repeat with the same scan_id."""
        return await self._call("POST", f"/shipments/{await self._segment(key)}/scans", ScanAnswer, json=scan)

    async def batch(self, entries: list[dict[str, object]], *, dry_run: bool) -> list[Result]:
        """Register up to BATCH_LIMIT shipments. Safe to repeat. One result for each entry, in their order."""
        body = {"shipments": entries, "dry_run": dry_run}
        answer = await self._call("POST", "/shipments/batch", _Results, json=body, timeout=60.0)
        results = answer.value.results
        if len(results) != len(entries):
            raise malformed(f"{self._base}/shipments/batch", f"{len(results)} results for {len(entries)} entries")
        return results

    async def resolve(self, key: str) -> str:
        """The id of a shipment, from its id or reference."""
        if _UUID.fullmatch(key):
            return key.lower()
        found = (await self.page({"reference": key, "limit": 2})).value.items
        exact = [shipment.id for shipment in found if shipment.reference == key]
        if not exact:
            raise CliError(
                f"There is no shipment {key!r}.",
                "`cli-proj shipments list -q TEXT` searches for references.",
                code=ExitCode.NOT_FOUND,
            )
        return exact[0]

    async def _segment(self, key: str) -> str:
        """The key as one segment of a path. A reference that no path can carry safely is looked up first."""
        if _PLAIN.fullmatch(key):
            return quote(key, safe="")
        return await self.resolve(key)


class DeadMessage(msgspec.Struct, frozen=True):
    """The message of a dead letter, as far as a list shows it."""

    type: str | None
    aggregate: str | None


class DeadLetter(msgspec.Struct, frozen=True):
    """A message that a worker has given up."""

    id: int
    given_up_at: datetime
    consumer: str
    reason: str
    message: DeadMessage | None


class LetterPage(msgspec.Struct, frozen=True):
    """A part of the list, newest first."""

    letters: list[DeadLetter]
    before: int | None


class DeadLetters(_Api):
    """Dead letters, for operators."""

    async def page(self, *, consumer: str | None, before: int | None, limit: int) -> Answer[LetterPage]:
        """One page of the list."""
        wanted = {"consumer": consumer, "before": before, "limit": limit}
        parameters = {name: str(value) for name, value in wanted.items() if value is not None}
        return await self._call("GET", "/admin/dead", LetterPage, params=parameters)

    async def find(self, number: int) -> Answer[DeadLetter]:
        """One of them, with its message."""
        return await self._call("GET", f"/admin/dead/{number}", DeadLetter)

    async def replay(self, number: int) -> Answer[DeadLetter]:
        """Deliver its message to its consumer once more."""
        return await self._call("POST", f"/admin/dead/{number}/replay", DeadLetter)

    async def drop(self, number: int) -> None:
        """Forget it."""
        await self._call("DELETE", f"/admin/dead/{number}", type(None))


class Webhook(msgspec.Struct, frozen=True):
    """An address that events are sent to. `secret` is there once."""

    id: str
    url: str
    types: list[str]
    description: str
    state: str
    waiting: int
    reason: str | None = None
    failing_since: datetime | None = None
    old_secret_until: datetime | None = None
    secret: str | None = None


class WebhookList(msgspec.Struct, frozen=True):
    """All of a service."""

    webhooks: list[Webhook]


class Attempt(msgspec.Struct, frozen=True):
    """One attempt, as far as a list shows it."""

    problem: str | None = None


class Delivery(msgspec.Struct, frozen=True):
    """One event for one webhook."""

    delivery_id: str
    type: str
    state: str
    recorded_at: datetime
    attempts: list[Attempt]
    next_attempt_at: datetime | None = None


class DeliveryPage(msgspec.Struct, frozen=True):
    """A part of the log, newest first."""

    deliveries: list[Delivery]
    before: str | None = None


class Tested(msgspec.Struct, frozen=True):
    """A test is on its way."""

    delivery_id: str


class Redelivered(msgspec.Struct, frozen=True):
    """How many are on their way."""

    deliveries: int


class Webhooks(_Api):
    """Webhooks, for operators: auth-svc and app-svc have the same addresses for them."""

    async def add(self, wanted: Mapping[str, object]) -> Answer[Webhook]:
        """Make one."""
        return await self._call("POST", "/admin/webhooks", Webhook, json=wanted)

    async def everything(self) -> Answer[WebhookList]:
        """All of them."""
        return await self._call("GET", "/admin/webhooks", WebhookList)

    async def find(self, id_: str) -> Answer[Webhook]:
        """One of them."""
        return await self._call("GET", "/admin/webhooks", Webhook, params={"id": id_})

    async def change(self, id_: str, changes: Mapping[str, object]) -> Answer[Webhook]:
        """Change what is named."""
        return await self._call("PATCH", "/admin/webhooks", Webhook, params={"id": id_}, json=changes)

    async def rotate(self, id_: str, overlap_hours: int) -> Answer[Webhook]:
        """Give it another secret."""
        body = {"overlap_hours": overlap_hours}
        return await self._call("POST", "/admin/webhooks/secret", Webhook, params={"id": id_}, json=body)

    async def test(self, id_: str) -> Answer[Tested]:
        """Send a message to try it."""
        return await self._call("POST", "/admin/webhooks/test", Tested, params={"id": id_})

    async def log(self, id_: str, wanted: Mapping[str, str]) -> Answer[DeliveryPage]:
        """One page of its log."""
        return await self._call("GET", "/admin/webhooks/deliveries", DeliveryPage, params={"id": id_, **wanted})

    async def redeliver(self, id_: str, wanted: Mapping[str, object]) -> Answer[Redelivered]:
        """Send once more."""
        return await self._call("POST", "/admin/webhooks/deliveries", Redelivered, params={"id": id_}, json=wanted)

    async def remove(self, id_: str) -> None:
        """Forget it."""
        await self._call("DELETE", "/admin/webhooks", type(None), params={"id": id_})


class _Live(msgspec.Struct, frozen=True):
    shipment: Shipment
    entry: Entry


def live_data(data: object) -> tuple[Shipment, Entry]:
    """What an event of the live feed says."""
    try:
        live = msgspec.convert(data, _Live)
    except msgspec.MsgspecError as error:
        raise malformed("The live feed", str(error)) from error
    return live.shipment, live.entry


def _parameter(value: str | int | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
