"""Follow one stream in memory, from its first message to the newest, and know whether nothing is missing.

Live copies come over core NATS, told by the server the moment a message is stored and numbered with its stream
sequence. Whatever they leave open (start, a new connection, a gap) is read from the stream itself, from the sequence
after the last one that was applied.
"""

import asyncio
from collections.abc import Callable

from nats.aio.msg import Msg

from lib_one.errors import BusUnavailableError, MalformedEventError, UnknownEventTypeError
from lib_one.event import Event, decode
from lib_one.nats.connection import NatsConnection
from lib_one.nats.tail import StartOverError, Tail
from lib_one.nats.topology import Extent, StreamInfo
from lib_one.observe import get_logger

VERIFY_EVERY = 5.0
"""Seconds between two looks at the stream, for what no live copy tells: a lost last copy, a stream that is gone."""
LIVE_PATIENCE = 0.5
"""Seconds that a live copy may come after its message was stored."""
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0
"""Seconds between attempts: the pause doubles from the first to the longest."""

log = get_logger(__name__)


class Follower:
    """Applies every event of a stream in order, each once, and recovers by itself from whatever happens.

    Args:
        connection: The process's connection.
        stream: The stream's name. It needs not exist yet.
        live: Where the server tells live copies: the `live` subject of the topology's row.
        apply: Called with each event and its stream sequence. If it raises, the follower is not caught up until a later
            attempt succeeds: no event is ever passed over because of a fault here.
        reset: Called when the stream was made anew or went backwards: everything is applied again, from the start.
    """

    def __init__(
        self,
        connection: NatsConnection,
        *,
        stream: str,
        live: str,
        apply: Callable[[Event, int], None],
        reset: Callable[[], None],
    ) -> None:
        self.caught_up = False
        """Whether all that the stream is known to hold is applied. False at once on a lost connection or a gap."""
        self.sequence = 0
        """Stream sequence up to which everything is applied (or does not exist any more)."""
        self.created: str | None = None
        """When the stream was made whose sequences those are: one that was made anew counts from the start."""
        self.skipped = 0
        """Messages that could not be read: of an unknown type, or malformed."""
        self._connection = connection
        self._stream = stream
        self._live = live
        self._apply = apply
        self._reset = reset
        self._newest = 0
        self._succeeded = False

    @property
    def lag(self) -> int:
        """How many sequences the newest message that we know of is ahead of what is applied."""
        return max(0, self._newest - self.sequence)

    async def run(self) -> None:
        """Follow until cancelled."""
        pause, told = FIRST_PAUSE, ""
        while True:
            session = await self._connection.session()
            try:
                session.on_end(self._lost)
                async with Tail(session, self._stream, self._take_live) as tail:
                    await self._follow(tail)
            except StartOverError as reason:
                log.warning("following starts over", stream=self._stream, reason=str(reason))
            except BusUnavailableError as error:
                if str(error) != told:  # once, and not with every attempt
                    log.warning("following is interrupted", stream=self._stream, reason=str(error))
                    told = str(error)
            except Exception:
                log.exception("an event could not be applied", stream=self._stream, after=self.sequence)
            finally:
                self.caught_up = False
                session.forget(self._lost)
            if self._succeeded:
                pause, told = FIRST_PAUSE, ""
                self._succeeded = False
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _follow(self, tail: Tail) -> None:
        """Follow over one session, until it ends."""
        before = await tail.info()
        if self._changed(before, self.sequence):
            log.warning("the stream was made anew or went backwards", stream=self._stream, sequence=self.sequence)
            self._reset()
            self.sequence = self._newest = 0
        self.created = before.created
        await tail.listen(self._live, above=before.state.last_seq)
        # From here on each new message is told to us, so what the stream holds now is all that can be missing.
        while True:
            if not self.caught_up:
                await self._catch_up(tail)
                log.info("following", stream=self._stream, sequence=self.sequence)
            await tail.trouble(VERIFY_EVERY)
            if tail.session.ended.is_set():
                return
            if self.caught_up:
                await self._verify(tail)

    def _lost(self) -> None:
        self.caught_up = False

    async def _catch_up(self, tail: Tail) -> None:
        while True:
            reached = self.sequence
            info = await tail.info()
            if self._changed(info, reached):
                raise StartOverError("the stream is another one than before")
            self._newest = max(self._newest, info.state.last_seq)
            await self._replay(tail, info.state)
            if self._release(tail):
                self.caught_up = self._succeeded = not tail.session.ended.is_set()
                return

    async def _replay(self, tail: Tail, state: Extent) -> None:
        """Apply what the stream holds, from the sequence after ours to its end: `state` is how it stood before.

        Not only up to the last sequence of then: what came before it may have been replaced since by what comes after.
        """

        def take(message: Msg, sequence: int) -> None:
            self._newest = max(self._newest, sequence)
            self._take_held(tail, below=sequence)
            self._take(message, sequence)

        more = False
        while (self.sequence < state.last_seq or more) and state.messages:
            await tail.read(self.sequence + 1, take)
            more = tail.more
            if not more:
                # Either the rest does not exist any more, or a replica answered that is behind. The leader knows.
                if self.sequence < state.last_seq and await tail.exists(self.sequence + 1, up_to=state.last_seq):
                    await asyncio.sleep(FIRST_PAUSE)
                    continue
                break
        self._take_held(tail, below=state.last_seq + 1)
        self.sequence = max(self.sequence, state.last_seq)

    def _take_held(self, tail: Tail, *, below: int) -> None:
        """Apply, in their place in the replay, live copies of messages that the stream does not hold any more."""
        while tail.held and tail.held[0][1] < below:
            self._take(*tail.held.popleft())

    def _release(self, tail: Tail) -> bool:
        """Apply the live copies that were held back. False if one is missing in between."""
        while tail.held:
            message, sequence = tail.held[0]
            if sequence > self.sequence + 1:
                return False
            if sequence == self.sequence + 1:
                self._take(message, sequence)
            tail.held.popleft()
        return True

    async def _verify(self, tail: Tail) -> None:
        reached = self.sequence
        info = await tail.info()
        if self._changed(info, reached):
            raise StartOverError("the stream is another one than before")
        deadline = asyncio.get_running_loop().time() + LIVE_PATIENCE
        while self.caught_up and info.state.last_seq > reached == self.sequence:
            if asyncio.get_running_loop().time() > deadline:
                self.caught_up = False
            await asyncio.sleep(0.02)

    def _changed(self, info: StreamInfo, reached: int) -> bool:
        """Whether this is another stream, or an older state of it, than when we had `reached` that sequence."""
        return self.created is not None and (info.created != self.created or info.state.last_seq < reached)

    def _take_live(self, tail: Tail, message: Msg, sequence: int) -> None:
        """A live copy has come: apply it if it is the next one, else keep it for the catching up."""
        self._newest = max(self._newest, sequence)
        if self.caught_up and sequence == self.sequence + 1:
            try:
                self._take(message, sequence)
            except Exception as error:
                self.caught_up = False
                tail.fail(error)
        elif sequence > self.sequence:
            tail.held.append((message, sequence))
            if self.caught_up:
                self.caught_up = False
                tail.wake()

    def _take(self, message: Msg, sequence: int) -> None:
        if sequence <= self.sequence:
            return
        try:
            event = decode(message.headers or {}, message.data)
        except UnknownEventTypeError as error:
            self.skipped += 1
            log.warning("an unknown type of event is skipped", stream=self._stream, sequence=sequence, type=error.type)
        except MalformedEventError as error:
            self.skipped += 1
            log.error("a malformed event is skipped", stream=self._stream, sequence=sequence, reason=str(error))
        else:
            self._apply(event, sequence)
        self.sequence = sequence
