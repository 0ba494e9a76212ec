"""Publishing over one session: many messages in flight, one subscription for all their acknowledgements.

A request of its own for each message would cost a task, a future and a timer each: five times as much CPU.

Many messages for one stream go as atomic batches where the stream takes such: the server writes a batch as a whole, and
syncs the disk once for all of it before it acknowledges. One by one, each message waits for a sync of its own.
"""

import asyncio
from collections.abc import Sequence

import msgspec
from nats.aio.msg import Msg
from nats.errors import BadHeaderError, BadSubjectError, Error, MaxPayloadError

from lib_one.bus import Stored, StreamState
from lib_one.errors import BusRefusedError, BusUnavailableError, StreamChangedError
from lib_one.event import Message, new_id
from lib_one.nats import topology
from lib_one.nats.session import Session

WINDOW = 1024
"""Messages in flight: enough to keep the server's disk busy, and far below what it is ready to buffer."""
TOGETHER = range(16, 1001)
"""Messages in one atomic batch. Fewer are as quick one by one, as a batch itself costs some syncs; the server takes no
more."""
WRONG_LAST = (10070, 10071, 10164)
"""The server's `err_code` for a stream that does not end as the publisher expects: wrong message id, wrong sequence of
the stream or the subject, the same in a cluster."""


class Publisher:
    """Publishes over one session, and ends with it."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.homeless = False
        """Whether a message came for which no stream exists."""
        self.streams: Sequence[StreamState] = ()
        """How the service's streams stood when somebody looked."""
        self.looked_at = 0.0
        """When that was, on the loop's clock."""
        self._inbox = session.client.new_inbox() + "."
        self._count = 0
        self._window = asyncio.Semaphore(WINDOW)
        self._waiting: dict[str, tuple[_Call, int, str]] = {}

    async def start(self) -> None:
        """Listen for acknowledgements.

        Raises:
            BusUnavailableError: the session is over.
        """
        await self.session.subscribe(self._inbox + "*", self._acknowledged)
        self.session.on_refusal(self._refused)
        self.session.on_end(self._abandon)

    async def publish(self, messages: Sequence[Message], *, timeout: float) -> Sequence[Stored | BaseException]:
        """Publish in order; each entry is where that message is stored, or what went wrong with it.

        Args:
            messages: What to publish.
            timeout: Seconds without progress after which the rest counts as unknown.
        """
        if len(messages) < TOGETHER.start or not topology.takes_batches([message.subject for message in messages]):
            return await self._publish_each(messages, timeout=timeout)
        outcome: list[Stored | BaseException] = []
        for start in range(0, len(messages), TOGETHER.stop - 1):
            part = messages[start : start + TOGETHER.stop - 1]
            outcome += await self._publish_together(part, timeout=timeout)
        return outcome

    async def _publish_together(
        self, messages: Sequence[Message], *, timeout: float
    ) -> Sequence[Stored | BaseException]:
        """All or none as one batch. Where the server refuses it (one of them is a copy, say), each for itself."""
        batch, last = new_id(), len(messages)
        call = _Call(1)
        await self._room(timeout)
        self._count += 1
        token = str(self._count)
        self._waiting[token] = (call, 0, messages[-1].subject)
        try:
            for number, message in enumerate(messages, 1):
                headers = {**message.headers, "Nats-Batch-Id": batch, "Nats-Batch-Sequence": str(number)}
                if number == last:
                    headers["Nats-Batch-Commit"] = "1"
                await self._send(token, Message(message.subject, headers, message.body), ask=number == last)
                if call.done.done():
                    break
            async with asyncio.timeout(timeout):
                await call.done
        except TimeoutError:
            pass
        finally:
            self._settle(token, BusUnavailableError("no acknowledgement in time"))
        (result,) = call.outcome
        if isinstance(result, Stored):
            first = result.sequence - last + 1
            return [Stored(result.stream, first + index) for index in range(last)]
        if isinstance(result, BusUnavailableError):
            return [result] * last
        return await self._publish_each(messages, timeout=timeout)

    async def _publish_each(self, messages: Sequence[Message], *, timeout: float) -> Sequence[Stored | BaseException]:
        call = _Call(len(messages))
        sent: list[str] = []
        try:
            for index, message in enumerate(messages):
                await self._room(timeout)
                self._count += 1
                token = str(self._count)
                sent.append(token)
                self._waiting[token] = (call, index, message.subject)
                await self._send(token, message)
            async with asyncio.timeout(timeout):
                await call.done
        except TimeoutError:
            pass
        finally:
            for token in sent:
                if token in self._waiting:
                    self._settle(token, BusUnavailableError("no acknowledgement in time"))
        return call.outcome

    async def _room(self, timeout: float) -> None:
        """Wait for room among the messages in flight."""
        if self._window.locked():
            async with asyncio.timeout(timeout):
                await self._window.acquire()
        else:
            await self._window.acquire()

    async def _send(self, token: str, message: Message, *, ask: bool = True) -> None:
        """Send, and unless it is one of a batch and not its last, ask for an acknowledgement."""
        reply = self._inbox + token if ask else ""
        try:
            if self.session.ended.is_set():
                raise BusUnavailableError("the connection is lost")
            await self.session.client.publish(message.subject, message.body, reply, message.headers)
        except (MaxPayloadError, BadHeaderError, BadSubjectError) as error:
            self._settle(token, BusRefusedError(f"{message.subject!r}: {type(error).__name__}"))
        except (Error, OSError) as error:
            self._settle(token, BusUnavailableError(f"{message.subject}: {type(error).__name__} {error}"))
        except BusUnavailableError as error:
            self._settle(token, error)

    def _settle(self, token: str, outcome: Stored | BaseException) -> None:
        entry = self._waiting.pop(token, None)
        if entry is not None:
            call, index, _ = entry
            self._window.release()
            call.settle(index, outcome)

    def _acknowledged(self, message: Msg) -> None:
        token = message.subject[len(self._inbox) :]
        if not message.data:  # a bare status: nobody listens on this subject
            self.homeless = True
            self._settle(token, BusUnavailableError("no stream takes this subject"))
            return
        ack = _decoder.decode(message.data)
        failure = ack.error
        if failure is None:
            self._settle(token, Stored(ack.stream, ack.seq, ack.duplicate))
        elif failure.err_code in WRONG_LAST:
            self._settle(token, StreamChangedError(failure.description))
        elif failure.code == 400:
            self._settle(token, BusRefusedError(failure.description))
        else:
            self._settle(token, BusUnavailableError(failure.description))

    def _refused(self, reason: str) -> None:
        """A refusal names the subject and not the message, so it concerns everything that waits on the subject."""
        for token, (_, _, subject) in list(self._waiting.items()):
            if f'publish to "{subject.lower()}"' in reason:
                self._settle(token, BusRefusedError(f"no permission to publish {subject}"))

    def _abandon(self) -> None:
        for token in list(self._waiting):
            self._settle(token, BusUnavailableError("the connection was lost before the acknowledgement"))


class _Call:
    """One call of `publish`: the outcome of each message, and how many are open."""

    __slots__ = ("_open", "done", "outcome")

    def __init__(self, count: int) -> None:
        unsent = BusUnavailableError("not sent: too many messages wait for an acknowledgement")
        self.outcome: list[Stored | BaseException] = [unsent] * count
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._open = count

    def settle(self, index: int, outcome: Stored | BaseException) -> None:
        self.outcome[index] = outcome
        self._open -= 1
        if self._open == 0 and not self.done.done():
            self.done.set_result(None)


class _Failure(msgspec.Struct):
    code: int = 0
    err_code: int = 0
    description: str = ""


class _Ack(msgspec.Struct):
    error: _Failure | None = None
    stream: str = ""
    seq: int = 0
    duplicate: bool = False


_decoder = msgspec.json.Decoder(_Ack)
