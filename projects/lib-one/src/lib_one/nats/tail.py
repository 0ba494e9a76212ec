"""The end of a stream, over one session: its live copies, and what it holds. The follower's way to NATS."""

import asyncio
from collections import deque
from collections.abc import Callable

import msgspec
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from lib_one import event
from lib_one.errors import BusUnavailableError
from lib_one.nats.session import ApiError, Session
from lib_one.nats.topology import StreamInfo

REPLAY_BATCH = 10_000
"""Messages asked for at a time: some 8 MB, which wait in the server until they are taken here. With fewer, server and
reader wait for each other more often."""
REPLAY_SILENCE = 3.0
"""Seconds without a message after which a replay is given up, and begun again where it stopped."""
HELD_BACK = 10_000
"""Live copies that are kept during a replay. What does not fit leaves a gap, and a gap is replayed."""
NO_MESSAGE_FOUND = 10037


class StartOverError(Exception):
    """What we know about the stream is no longer true: subscribe and compare anew."""


class Tail:
    """The end of a stream, over one session: its live copies, and what it holds."""

    def __init__(self, session: Session, stream: str, take: Callable[["Tail", Msg, int], None]) -> None:
        self.session = session
        self.held: deque[tuple[Msg, int]] = deque(maxlen=HELD_BACK)
        self.more = False
        """Whether the last `read` left something unread."""
        self._stream = stream
        self._take = take
        self._floor = self._heard = 0
        self._error: Exception | None = None
        self._trouble = asyncio.Event()
        self._inbox = session.client.new_inbox()
        self._reads = 0
        self._reading: _Reading | None = None
        self._subscriptions: list[Subscription] = []

    async def __aenter__(self) -> "Tail":
        self._subscriptions.append(await self._subscribe(self._inbox + ".*", self._replayed))
        self.session.on_end(self._over)
        return self

    async def __aexit__(self, *_exception: object) -> None:
        self.session.forget(self._over)
        for subscription in self._subscriptions:
            await self.session.unsubscribe(subscription)

    async def info(self) -> StreamInfo:
        """Which stream it is, and what it holds."""
        return await self.session.api(StreamInfo, f"STREAM.INFO.{self._stream}")

    async def exists(self, sequence: int, *, up_to: int) -> bool:
        """Whether the stream's leader has a message from `sequence` up to `up_to`."""
        wish = {"seq": sequence, "next_by_subj": ">"}
        try:
            found = await self.session.api(_Found, f"STREAM.MSG.GET.{self._stream}", wish)
        except ApiError as error:
            if error.code == NO_MESSAGE_FOUND:
                return False
            raise
        return found.message.seq <= up_to

    async def listen(self, subject: str, *, above: int) -> None:
        """Hear live copies from now on. `above` is the sequence that was the last one before."""
        self._floor = above
        self._subscriptions.append(await self._subscribe(subject, self._live))

    async def trouble(self, timeout: float) -> None:
        """Wait for a gap, for the end of the session, or for `timeout` seconds.

        Raises:
            Exception: what `apply` raised.
        """
        try:
            async with asyncio.timeout(timeout):
                await self._trouble.wait()
        except TimeoutError:
            return
        self._trouble.clear()
        if self._error is not None:
            raise self._error

    def wake(self) -> None:
        """End the wait for trouble."""
        self._trouble.set()

    def fail(self, error: Exception) -> None:
        """End the wait for trouble with an error."""
        self._error = error
        self._trouble.set()

    async def read(self, sequence: int, take: Callable[[Msg, int], None], *, most: int | None = None) -> None:
        """Hand what the stream holds from `sequence` on to `take`, as far as one batch reaches. Sets `more`.

        A batch has `most` messages (without it `REPLAY_BATCH`), or what the server takes to be enough. Each message is
        taken in the moment in which it is read from the network: none waits in memory here.

        Raises:
            BusUnavailableError: the answer stopped half-way.
            Exception: what `take` raised.
        """
        self._reads += 1
        inbox = f"{self._inbox}.{self._reads}"
        wish = {"seq": sequence, "batch": most or REPLAY_BATCH, "next_by_subj": ">"}
        reading = self._reading = _Reading(inbox, take)
        try:
            await self.session.publish(f"$JS.API.DIRECT.GET.{self._stream}", msgspec.json.encode(wish), reply=inbox)
            if self.session.ended.is_set():
                self._over()
            while not reading.over.is_set():
                await self._progress(reading)
        finally:
            self._reading = None
        if reading.error is not None:
            raise reading.error
        self.more = reading.more

    async def _progress(self, reading: "_Reading") -> None:
        """Wait for the end of the batch, and for no longer than messages come."""
        before = reading.messages
        try:
            async with asyncio.timeout(REPLAY_SILENCE):
                await reading.over.wait()
        except TimeoutError:
            if reading.messages == before:
                raise BusUnavailableError("the replay fell silent") from None

    def _replayed(self, message: Msg) -> None:
        reading = self._reading
        if reading is not None and message.subject == reading.inbox:  # else it is of a replay that was given up
            reading.hear(message)

    async def _subscribe(self, subject: str, receive: Callable[[Msg], None]) -> Subscription:
        return await self.session.subscribe(subject, receive, headers=(*event.HEADERS, "Nats-Sequence"))

    def _live(self, message: Msg) -> None:
        sequence = int((message.headers or {}).get("Nats-Sequence", 0))
        if sequence <= self._heard:
            self.fail(StartOverError(f"a live copy has number {sequence} after {self._heard}"))
            return
        if sequence <= self._floor:
            # Stored before we began to listen and told after it; or else the stream was made anew: look.
            self._trouble.set()
            return
        self._heard = sequence
        self._take(self, message, sequence)

    def _over(self) -> None:
        if self._reading is not None:
            self._reading.end(BusUnavailableError("the connection was lost"))
        self._trouble.set()


class _Reading:
    """One batch that is being read."""

    __slots__ = ("_take", "error", "inbox", "messages", "more", "over")

    def __init__(self, inbox: str, take: Callable[[Msg, int], None]) -> None:
        self.inbox = inbox
        self.messages = 0
        self.over = asyncio.Event()
        self.more = False
        """Whether it left something unread."""
        self.error: Exception | None = None
        self._take = take

    def hear(self, message: Msg) -> None:
        """Take one message, or the end of the batch."""
        if self.over.is_set():
            return
        self.messages += 1
        headers = message.headers or {}
        status = headers.get("Status")
        if status is None:
            try:
                self._take(message, int(headers["Nats-Sequence"]))
            except Exception as error:
                self.end(error)
        elif status in ("204", "404"):
            self.more = headers.get("Nats-Num-Pending", "0") != "0"
            self.end()
        else:
            self.end(BusUnavailableError(f"replay: {headers.get('Description') or status}"))

    def end(self, error: Exception | None = None) -> None:
        """It is over; with `error`, before its end."""
        if not self.over.is_set():
            self.error = error
            self.over.set()


class _Stored(msgspec.Struct):
    seq: int


class _Found(msgspec.Struct):
    message: _Stored
