"""Reading one durable consumer: pull, hand to the handler, and give the server the verdict.

The reader outlives every session. What it has fetched stays good when the connection is lost, and verdicts that could
not be told are told over the next session.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import timedelta
from zlib import crc32

import msgspec
from nats.aio.msg import Msg

from lib_one import trace
from lib_one.bus import Dead, Delivery, Handler, Later, Subscription
from lib_one.errors import BusUnavailableError, MalformedEventError, UnknownEventTypeError
from lib_one.event import decode
from lib_one.nats import topology
from lib_one.nats.session import Session
from lib_one.observe import get_logger

BATCH = 256
"""Messages that are asked for at a time."""
LOW = 64
"""So few messages are left to do when the next ones are asked for."""
HEARTBEAT = 5.0
"""Seconds: a server that has nothing for us says so as often. Twice missed, it is asked anew."""
RETRY = 0.1
"""Seconds between attempts to read on."""

_DONE = b"+ACK"

log = get_logger(__name__)


class _Signal:
    """Something that is not a message, in the queue of messages."""


_END = _Signal()
"""The session has ended."""
_ROOM = _Signal()
"""There is room for more."""


class Reader:
    """Reads one durable consumer, for ever.

    Args:
        subscription: Which one.
        handler: Gets every delivery, and gives its verdict as `lib_one.bus` says.
        backoff: Pauses after the failed attempts of the handler. One failure more, and the message is dead.
    """

    def __init__(self, subscription: Subscription, handler: Handler, backoff: tuple[timedelta, ...]) -> None:
        self._subscription = subscription
        self._handler = handler
        self._backoff = backoff
        self._lanes: list[asyncio.Queue[Msg]] = [asyncio.Queue() for _ in range(subscription.lanes)]
        self._unfinished: dict[str, None] = {}
        """Where to tell the verdict of each message that is here: its acknowledgement subject."""
        self._untold: dict[str, bytes] = {}
        self._session: Session | None = None
        self._arrived: asyncio.Queue[Msg | _Signal] = asyncio.Queue()
        """What comes over the session, and what wakes the fetching."""
        self._made: str | None = None

    async def run(self, next_session: Callable[[], Awaitable[Session]]) -> None:
        """Read until cancelled. What is then unfinished is given back, for whoever reads next."""
        try:
            async with asyncio.TaskGroup() as group:
                for lane in self._lanes:
                    group.create_task(self._work(lane))
                group.create_task(self._say_busy())
                told = ""
                while True:
                    session = await next_session()
                    try:
                        await self._attend(session)
                    except BusUnavailableError as error:
                        if str(error) != told:  # once, and not with every attempt
                            log.warning("reading is interrupted", durable=self._subscription.durable, reason=str(error))
                            told = str(error)
                    await asyncio.sleep(RETRY)
        finally:
            for reply in list(self._unfinished):
                await self._tell(reply, b"-NAK")

    async def _attend(self, session: Session) -> None:
        """Fetch messages over one session, until it ends (`BusUnavailableError`)."""
        made = await topology.ensure_consumer(session, self._subscription)
        if made != self._made:
            # Another consumer than before, whose sequences begin anew: our old verdicts would hit the wrong messages.
            self._untold.clear()
            self._unfinished.clear()
            self._made = made
        arrived: asyncio.Queue[Msg | _Signal] = asyncio.Queue()
        self._arrived = arrived
        inbox = session.client.new_inbox()
        subscription = await session.subscribe(inbox, arrived.put_nowait)

        def end() -> None:
            arrived.put_nowait(_END)

        session.on_end(end)
        self._session = session
        try:
            for reply, verdict in list(self._untold.items()):
                del self._untold[reply]
                await self._tell(reply, verdict)
            await self._fetch(session, inbox, arrived)
        finally:
            session.forget(end)
            await session.unsubscribe(subscription)

    async def _fetch(self, session: Session, inbox: str, arrived: asyncio.Queue[Msg | _Signal]) -> None:
        stream, durable = self._subscription.stream, self._subscription.durable
        wish = msgspec.json.encode(
            {"batch": BATCH, "expires": 30_000_000_000, "idle_heartbeat": int(HEARTBEAT * 1_000_000_000)}
        )
        coming = 0
        while True:
            if coming == 0 and len(self._unfinished) <= LOW:
                await session.publish(f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{durable}", wish, reply=inbox)
                coming = BATCH
            try:
                async with asyncio.timeout(2 * HEARTBEAT + 1):
                    message = await arrived.get()
            except TimeoutError:
                coming = 0
                continue
            if isinstance(message, _Signal):
                if message is _END:
                    raise BusUnavailableError("the connection was lost")
                continue
            headers = message.headers or {}
            if not message.data and "Status" in headers:
                if headers["Status"] in ("404", "408"):  # what was asked for has run its time
                    coming = 0
                elif headers["Status"] != "100":  # 100: idle, and alive
                    raise BusUnavailableError(headers.get("Description") or headers["Status"])
                continue
            coming -= 1
            self._unfinished[message.reply] = None
            lane = crc32(headers.get("ce-subject", "").encode()) % len(self._lanes)
            self._lanes[lane].put_nowait(message)

    async def _work(self, lane: asyncio.Queue[Msg]) -> None:
        while True:
            message = await lane.get()
            if message.reply not in self._unfinished:  # of a consumer that is no more
                continue
            verdict = await self._verdict(message)
            if message.reply in self._unfinished:
                del self._unfinished[message.reply]
                await self._tell(message.reply, verdict)
                if len(self._unfinished) == LOW:
                    self._arrived.put_nowait(_ROOM)

    async def _verdict(self, message: Msg) -> bytes:
        attempt, sequence = _position(message.reply)
        where = {"durable": self._subscription.durable, "sequence": sequence, "attempt": attempt}
        try:
            event = decode(message.headers or {}, message.data)
        except UnknownEventTypeError as error:
            log.warning("an unknown type of event is skipped", type=error.type, **where)
            return _DONE
        except MalformedEventError as error:
            return _dead(f"malformed: {error}", where)
        with trace.span(
            self._subscription.durable,
            trace.CONSUMER,
            parent=event.trace_parent,
            attributes={"messaging.system": "nats", "messaging.message.id": event.id, "event.type": event.type},
        ) as work:
            verdict = await self._judge(Delivery(event, sequence, attempt), where)
            work.failed = verdict != _DONE
        return verdict

    async def _judge(self, delivery: Delivery, where: dict[str, object]) -> bytes:
        event, attempt = delivery.event, delivery.attempt
        try:
            await self._handle(delivery)
        except Later as later:
            if attempt < topology.MAX_DELIVER - 1:
                return _again(later.delay)
            return _dead("put off too often", where)
        except Dead as dead:
            return _dead(dead.reason, where)
        except Exception as error:
            if attempt > len(self._backoff):
                return _dead(f"{type(error).__name__}: {error}", where)
            log.exception("a handler failed; it will be tried again", event_id=event.id, **where)
            return _again(self._backoff[attempt - 1])
        return _DONE

    async def _handle(self, delivery: Delivery) -> None:
        try:
            await self._handler(delivery)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            # Something that the handler waited for was cancelled, and not we: that must not end the lane.
            raise RuntimeError("cancelled from within") from error

    async def _say_busy(self) -> None:
        """Keep what is here from being delivered again while handlers work through it."""
        while True:
            await asyncio.sleep(topology.ACK_WAIT.total_seconds() / 4)
            for reply in list(self._unfinished):
                with contextlib.suppress(BusUnavailableError):
                    await self._say(reply, b"+WPI")

    async def _tell(self, reply: str, verdict: bytes) -> None:
        try:
            await self._say(reply, verdict)
        except BusUnavailableError:
            self._untold[reply] = verdict

    async def _say(self, reply: str, word: bytes) -> None:
        if self._session is None or self._session.ended.is_set():
            raise BusUnavailableError("the connection is lost")
        await self._session.publish(reply, word)


def _position(reply: str) -> tuple[int, int]:
    """Deliveries so far and stream sequence, from the acknowledgement subject.

    `$JS.ACK.<stream>.<consumer>.<deliveries>.<stream sequence>.<consumer sequence>.<time>.<pending>`, and where a
    domain or an account is named, `<domain>.<account>` after `ACK`.
    """
    tokens = reply.split(".")
    first = 4 if len(tokens) == 9 else 6
    return int(tokens[first]), int(tokens[first + 1])


def _again(delay: timedelta) -> bytes:
    return b'-NAK {"delay":%d}' % max(1, int(delay.total_seconds() * 1_000_000_000))


def _dead(reason: str, where: dict[str, object]) -> bytes:
    log.error("a message goes to the dead letters", reason=reason, **where)
    return b"+TERM " + " ".join(reason.split())[:500].encode()
