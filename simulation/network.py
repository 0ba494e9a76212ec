"""The client side of the simulated network: it stands in for nats-py beneath the real session and connection.

What goes to the server arrives in order; what comes from it is in order within a subscription, and not between two of
them. The link may be cut, at once or silently; live copies, answers and verdicts may be lost, copies may come twice.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, cast

from nats.aio.msg import Msg
from nats.errors import ConnectionClosedError, NoRespondersError

if TYPE_CHECKING:
    from simulation.processes import Process
    from simulation.server import Server


class _Subscription:
    def __init__(self, client: "Client", subject: str, callback: Callable[[Msg], Awaitable[None]]) -> None:
        self.subject = subject
        self.callback = callback
        self.begun = False
        self.last = 0.0
        self._client = client

    def fits(self, subject: str) -> bool:
        """Whether a message on this subject is for it."""
        if self.subject.endswith((".>", ".*")):
            return subject.startswith(self.subject[:-1])
        return subject == self.subject

    async def unsubscribe(self) -> None:
        """Hear no more."""
        self._client.subscriptions.remove(self)

    def _stop_processing(self) -> None:
        """Nothing of it runs by itself."""


class Client:
    """One connection of one process."""

    _reading_task = _ping_interval_task = _flusher_task = _transport = None

    def __init__(self, process: "Process", server: "Server") -> None:
        self.process = process
        self.forgotten = False
        """Whether the server knows that nobody is there any more."""
        self.subscriptions: list[_Subscription] = []
        self._server = server
        self._chance = process.world.chance
        self._loop = server.loop
        self._nobody = process.world.nobody
        self._linked = False
        self._ended = False
        self._closed: Callable[[], Awaitable[None]] | None = None
        self._last_sent = 0.0
        self._numbers = 0
        self._asked: dict[str, asyncio.Future[Msg]] = {}
        self._subs: dict[int, _Subscription] = {}

    @property
    def is_connected(self) -> bool:
        return not self._ended

    async def connect(self, _url: str, *, closed_cb: Callable[[], Awaitable[None]], **_options: object) -> None:
        """Connect, or fail."""
        await asyncio.sleep(self._latency())
        if not self._server.up:
            raise OSError("nobody listens")
        self._closed = closed_cb
        self._linked = True
        self._server.clients.append(self)

    def new_inbox(self) -> str:
        """Where answers come to."""
        self._numbers += 1
        return f"_INBOX.{self._numbers}"

    async def subscribe(
        self, subject: str, _queue: str = "", *, cb: Callable[[Msg], Awaitable[None]], **_limits: object
    ) -> _Subscription:
        """Hear what comes on this subject, once the server knows."""
        subscription = _Subscription(self, subject, cb)
        self.subscriptions.append(subscription)
        self._send(self._begin, subscription)
        return subscription

    async def publish(
        self, subject: str, body: bytes = b"", reply: str = "", headers: dict[str, str] | None = None
    ) -> None:
        """Send."""
        faults = self.process.world.faults
        if subject.startswith("$JS.ACK.") and faults and self._chance.random() < faults.lost:
            return
        self._send(self._server.receive, self, subject, body, reply, headers or {})

    async def request(self, subject: str, body: bytes, *, timeout: float) -> Msg:  # noqa: ARG002 - the session's rules
        """Ask, and wait for the answer for ever."""
        reply = self.new_inbox()
        answer = self._asked[reply] = self._loop.create_future()
        try:
            self._send(self._server.receive, self, subject, body, reply, {})
            message: Msg = await answer
        finally:
            del self._asked[reply]
        if (message.headers or {}).get("Status") == "503":
            raise NoRespondersError
        return message

    async def drain(self) -> None:
        """Nothing waits here."""

    async def close(self) -> None:
        """Disconnect."""
        self.cut(silence=0.0)

    def tell(self, subject: str, body: bytes, headers: dict[str, str] | None = None, *, reply: str = "") -> None:
        """From the server: a message for whoever of us listens on its subject."""
        message = Msg(cast("Any", None), subject, reply, body, headers)
        faults = self.process.world.faults
        if subject in self._asked:
            if not (faults and self._chance.random() < faults.lost):
                self._loop.call_at(self._arrival(0.0), self._answer, message, context=self._nobody)
            return
        live = subject.startswith("live.")
        for subscription in self.subscriptions:
            if subscription.begun and subscription.fits(subject):
                if faults and (live or not headers) and self._chance.random() < faults.lost:
                    continue  # a live copy, or the acknowledgement of a publication
                copies = 2 if faults and live and self._chance.random() < faults.lost / 4 else 1
                for _ in range(copies):
                    subscription.last = self._arrival(subscription.last)
                    self._loop.call_at(subscription.last, self._hand, subscription, message, context=self._nobody)

    def cut(self, *, silence: float) -> None:
        """Nothing goes through any more; both ends find out after `silence`."""
        if self._linked:
            self._linked = False
            self._loop.call_later(silence, self._end, context=self._nobody)

    def die(self) -> None:
        """The process is gone, with all that was on its way."""
        self._ended = True
        self.cut(silence=0.0)

    def _end(self) -> None:
        self.forgotten = True
        if self in self._server.clients:
            self._server.clients.remove(self)
        if not self._ended:
            self._ended = True
            if self._closed is not None and self.process.alive:
                self.process.spawn(self._closed())

    def _send(self, arrive: Callable[..., None], *details: object) -> None:
        if self._ended:
            raise ConnectionClosedError
        self._last_sent = max(self._last_sent + 1e-6, self._loop.time() + self._latency())
        self._loop.call_at(self._last_sent, self._arrive, arrive, details, context=self._nobody)

    def _arrive(self, arrive: Callable[..., None], details: tuple[object, ...]) -> None:
        if self._linked:
            arrive(*details)

    def _begin(self, subscription: _Subscription) -> None:
        subscription.begun = True

    def _arrival(self, last: float) -> float:
        """When what the server sends now comes to the process, which may be suspended."""
        return max(last + 1e-6, self._loop.time() + self._latency(), self.process.suspended_until)

    def _answer(self, message: Msg) -> None:
        answer = self._asked.get(message.subject)
        if self._linked and answer is not None and not answer.done():
            answer.set_result(message)

    def _hand(self, subscription: _Subscription, message: Msg) -> None:
        if not self._linked or subscription not in self.subscriptions:
            return
        if message.subject.startswith("live."):
            self.process.heard(message)
        coroutine = cast("Any", subscription.callback(message))
        try:
            coroutine.send(None)
        except StopIteration:
            return
        raise RuntimeError("a receiver waited")

    def _latency(self) -> float:
        return float(0.0005 + 0.3 * self._chance.random() ** 8)
