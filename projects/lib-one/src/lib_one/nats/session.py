"""One stretch of being connected: what can be asked of NATS while it lasts, and what its end means."""

import asyncio
import contextlib
import hashlib
import ssl
from collections.abc import Awaitable, Callable, Iterable

import msgspec
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error, NoRespondersError, SlowConsumerError

from lib_one.errors import BusUnavailableError
from lib_one.nats.client import BusClient, at_once
from lib_one.observe import get_logger

PING_INTERVAL = 2
"""Seconds between pings. A silent server is given up after three of them."""
CONNECT_TIMEOUT = 2
PENDING_MESSAGES, PENDING_BYTES = 65_536, 64 * 1024 * 1024
"""What may wait in memory for one reader before messages are dropped (and counted as slow)."""

log = get_logger(__name__)


def inbox_prefix(name: str) -> str:
    """Where a service's answers come to."""
    return f"_INBOX.{name}"


def inbox_of(token: str) -> str:
    """Where the answers come to for whoever is connected with an access token: nobody else can name the place."""
    return inbox_prefix(hashlib.sha256(token.encode()).hexdigest()[:32])


class ApiError(BusUnavailableError):
    """The JetStream API said no. `code` is the server's `err_code`."""

    def __init__(self, subject: str, code: int, description: str) -> None:
        super().__init__(f"{subject}: {description} ({code})")
        self.code = code


class Session:
    """One stretch of being connected. When it has `ended`, every future and subscription of it is dead."""

    def __init__(self) -> None:
        self.client = BusClient()
        self.ended = asyncio.Event()
        self.slow = 0
        self._on_end: list[Callable[[], None]] = []
        self._on_refusal: list[Callable[[str], None]] = []
        self._reason: str | None = None

    def on_end(self, callback: Callable[[], None]) -> None:
        """Call `callback` once, when this session ends; at once if it has ended already."""
        if self.ended.is_set():
            callback()
        else:
            self._on_end.append(callback)

    def forget(self, callback: Callable[[], None]) -> None:
        """Take back what was asked of `on_end`."""
        if callback in self._on_end:
            self._on_end.remove(callback)

    def on_refusal(self, callback: Callable[[str], None]) -> None:
        """Call `callback` with the server's text whenever it refuses a publish or a subscription of ours."""
        self._on_refusal.append(callback)

    def end(self) -> None:
        """Declare the session over."""
        if not self.ended.is_set():
            self.ended.set()
            for callback in self._on_end:
                callback()
            self._on_end.clear()

    async def subscribe(
        self, subject: str, receive: Callable[[Msg], None], *, headers: Iterable[str] = ()
    ) -> Subscription:
        """Hand each message to `receive`, in order, on the event loop, as soon as it is read.

        With `headers`, only these of a message are read (of a status, all), which is cheaper.

        Raises:
            BusUnavailableError: the session is over.
        """
        return await self.serve(subject, at_once(receive, headers))

    async def serve(self, subject: str, respond: Callable[[Msg], Awaitable[None]], *, queue: str = "") -> Subscription:
        """Like `subscribe`, for a coroutine: the next message waits until it is done.

        Of those who share a `queue`, one gets a message.

        Raises:
            BusUnavailableError: the session is over.
        """
        try:
            return await self.client.subscribe(
                subject, queue, cb=respond, pending_msgs_limit=PENDING_MESSAGES, pending_bytes_limit=PENDING_BYTES
            )
        except (Error, OSError) as error:
            raise BusUnavailableError(f"cannot subscribe to {subject}: {error}") from error

    def refused(self, reason: str) -> None:
        """The server has refused a publish or a subscription of ours."""
        for callback in self._on_refusal:
            callback(reason)

    async def publish(
        self, subject: str, body: bytes, *, reply: str = "", headers: dict[str, str] | None = None
    ) -> None:
        """Send without waiting for anything.

        Raises:
            BusUnavailableError: the session is over.
        """
        try:
            await self.client.publish(subject, body, reply, headers)
        except (Error, OSError) as error:
            raise BusUnavailableError(f"{subject}: {type(error).__name__} {error}") from error

    async def unsubscribe(self, subscription: Subscription) -> None:
        """End a subscription; one whose session is over has ended already."""
        with contextlib.suppress(Error, OSError):
            await subscription.unsubscribe()

    async def request(self, subject: str, body: bytes, *, timeout: float = 2.0) -> Msg:
        """Ask, and wait for one answer.

        Raises:
            BusUnavailableError: nobody answered in time, or nobody is there.
        """
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout) as limit:

                def give_up() -> None:
                    limit.reschedule(loop.time())

                self.on_end(give_up)
                try:
                    return await self.client.request(subject, body, timeout=timeout + 1)
                finally:
                    self.forget(give_up)
        except NoRespondersError as error:
            raise BusUnavailableError(f"nobody answers on {subject}") from error
        except (Error, OSError, TimeoutError) as error:
            raise BusUnavailableError(f"no answer on {subject}: {type(error).__name__} {error}") from error

    async def api[T](self, answer: type[T], subject: str, body: object = None) -> T:
        """Ask the JetStream API and read its answer as `answer`.

        Raises:
            ApiError: the API refused.
            BusUnavailableError: no answer.
        """
        message = await self.request(f"$JS.API.{subject}", msgspec.json.encode(body) if body is not None else b"")
        failure = msgspec.json.decode(message.data, type=_Answer).error
        if failure is not None:
            raise ApiError(subject, failure.err_code, failure.description)
        return msgspec.json.decode(message.data, type=answer)

    async def open(
        self,
        url: str,
        *,
        name: str,
        nkey_seed: str | None = None,
        token: str | None = None,
        sign: Callable[[str], str] | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Connect once, or raise: with the seed of an nkey, or with an access token and what `sign` makes of the nonce
        that the server gives to this connection.
        """
        if url.startswith(("ws://", "wss://")):
            from lib_one.nats.websocket import WebSocketTransport  # services never need it

            self.client._transport = WebSocketTransport()
        await self.client.connect(
            url,
            name=name,
            nkeys_seed_str=nkey_seed,
            token=token,
            signature_cb=None if sign is None else lambda nonce: sign(nonce).encode(),
            tls=tls,
            inbox_prefix=inbox_prefix(name) if token is None else inbox_of(token),
            allow_reconnect=False,
            max_reconnect_attempts=1,
            reconnect_time_wait=0,
            connect_timeout=CONNECT_TIMEOUT,
            ping_interval=PING_INTERVAL,
            max_outstanding_pings=2,
            drain_timeout=1,
            error_cb=self._failed,
            closed_cb=self._closed,
        )

    async def close(self, *, drain: bool) -> None:
        """Let go of everything, and before that (if asked) let what is under way finish, for a second at most."""
        if drain and self.client.is_connected:
            with contextlib.suppress(Error, OSError, TimeoutError):
                await asyncio.wait_for(self.client.drain(), 1.5)
        with contextlib.suppress(Error, OSError, TimeoutError, AssertionError):
            await asyncio.wait_for(self.client.close(), 1)
        self._bury()
        self.end()

    def _bury(self) -> None:
        """Close what nats-py leaves open when a write fails while it closes: the socket and its tasks."""
        client = self.client
        for subscription in list(client._subs.values()):
            subscription._stop_processing()
        for task in (client._reading_task, client._ping_interval_task, client._flusher_task):
            if task is not None and task is not asyncio.current_task():
                task.cancel()
        if client._transport is not None:
            with contextlib.suppress(Exception):
                client._transport.close()  # type: ignore[no-untyped-call]

    async def _closed(self) -> None:
        self.end()

    async def _failed(self, error: Exception) -> None:
        if isinstance(error, SlowConsumerError):
            self.slow += 1
            log.warning("messages dropped: the reader is too slow", subject=error.subject)
        elif "permissions violation" in str(error):
            log.error("the bus refuses", reason=str(error))
            self.refused(str(error))
        elif not self.client.is_connecting and self.client.is_closed:
            self.end()
        else:
            log.debug("nats", error=repr(error))


class _Failure(msgspec.Struct):
    err_code: int = 0
    description: str = ""


class _Answer(msgspec.Struct):
    error: _Failure | None = None
