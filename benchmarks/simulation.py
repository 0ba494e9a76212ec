"""A seeded simulation of revocations on their way to a guard: `python -m benchmarks.simulation --seeds 5000`.

The follower and the view are the real ones, driven step by step on one thread. The authorization server, the stream and
the network are models that lose, repeat, delay and cut; clocks jump, streams are wiped. After each step the promise is
checked: what a view knows to be revoked stays refused, and a fresh view lacks nothing that was revoked longer ago than
a heartbeat can vouch for. A seed that breaks it is printed; the same seed does the same again.
"""

import argparse
import random
from collections import deque
from collections.abc import AsyncIterator, Coroutine
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import structlog

from lib_one.contracts.revocation import RevocationHeartbeat, TokenRevoked
from lib_one.event import Event, event
from lib_one.nats.follower import Follower
from lib_one.nats.tail import StartOverError
from lib_two.revocation import FRESH_FOR, MAX_SKEW, RevocationView, State
from lib_two.validation import Claims

STEPS = 300
BLIND = timedelta(seconds=FRESH_FOR) + MAX_SKEW
"""How long ago a revocation must have been for a fresh view to have it for certain."""


def _now(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine that never waits."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    coroutine.close()
    raise RuntimeError("it waited")


class _Tail:
    """The end of the simulated stream, over one session."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.session = SimpleNamespace(ended=SimpleNamespace(is_set=lambda: False))
        self.held: deque[tuple[Any, int]] = deque()
        self.more = False
        self.heard = world.last
        self.failed = False

    async def info(self) -> Any:
        state = SimpleNamespace(last_seq=self.world.last, messages=len(self.world.stream))
        return SimpleNamespace(created=self.world.created, state=state)

    async def exists(self, _sequence: int, *, up_to: int) -> bool:  # noqa: ARG002 - the tail's signature
        return False

    async def read(self, sequence: int) -> AsyncIterator[tuple[Any, int]]:
        for stored in sorted(self.world.stream.values(), key=lambda stored: stored[0]):
            if stored[0] >= sequence:
                yield stored[1], stored[0]

    def fail(self, _error: Exception) -> None:
        self.failed = True

    def wake(self) -> None:
        """A gap: the next look at the stream fills it."""


class World:
    """One run."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.time = datetime(2026, 11, 20, 12, tzinfo=UTC)
        self.skew = timedelta()
        self.ticks = 0.0
        self.revoked: dict[str, datetime] = {}
        self.waiting: list[str] = []
        self.known: set[str] = set()
        self.view = RevocationView(now=lambda: self.time + self.skew, monotonic=lambda: self.ticks)
        self.follower = Follower(
            cast("Any", None), stream="REV", live="live.", apply=self.view.apply, reset=self.view.reset
        )
        self.wipes = 0
        self.tail: _Tail | None = None
        self._make()
        self.connect()

    def _make(self) -> None:
        self.created, self.last = f"stream {self.wipes}", 0
        self.stream: dict[str, tuple[int, Any]] = {}
        self.whole = False
        self.flying: deque[tuple[Any, int]] = deque()

    # The authorization server and its stream.

    def commit(self) -> None:
        token = f"t{len(self.revoked)}"
        self.revoked[token] = self.time
        self.waiting.append(token)

    def relay(self) -> None:
        """Publish what waits. A crash in between means that it is published again."""
        for token in self.waiting[: self.random.randint(1, 3)]:
            self._store(self._fact(token))
            if self.random.random() < 0.8:
                self.waiting.remove(token)

    def beat(self) -> None:
        """Only behind everything that was committed; after a doubt all of it again."""
        drained_at = self.time
        for token in list(self.revoked) if not self.whole else list(self.waiting):
            self._store(self._fact(token))
        self.waiting.clear()
        self.whole = True
        self._store(event(RevocationHeartbeat(sent_at=drained_at), source="/auth-svc", now=lambda: drained_at))

    def doubt(self) -> None:
        self.whole = False

    def wipe(self) -> None:
        self.wipes += 1
        self._make()

    def _fact(self, token: str) -> Event:
        fact = TokenRevoked(token_id=token, expires_at=self.revoked[token] + timedelta(days=1))
        return event(fact, source="/auth-svc", now=lambda: self.revoked[token])

    def _store(self, told: Event) -> None:
        message = told.encode()
        stored = SimpleNamespace(headers=message.headers, data=message.body)
        self.last += 1
        self.stream[message.subject] = (self.last, stored)  # one message a subject
        self.flying.append((stored, self.last))

    # The network and the guard.

    def deliver(self) -> None:
        """The next live copy arrives, or is lost."""
        if not self.flying:
            return
        message, sequence = self.flying.popleft()
        if self.random.random() < 0.1 or self.tail is None:
            return
        if sequence <= self.tail.heard:
            self.disconnect()  # what `Tail` calls starting over
            return
        self.tail.heard = sequence
        self.follower._take_live(cast("Any", self.tail), message, sequence)

    def disconnect(self) -> None:
        self.tail = None
        self.follower.caught_up = False

    def connect(self) -> None:
        """A new session: as `Follower._follow` begins."""
        self.tail = _Tail(self)
        self.flying.clear()
        state = SimpleNamespace(created=self.created, state=SimpleNamespace(last_seq=self.last))
        if self.follower._changed(cast("Any", state), self.follower.sequence):
            self.view.reset()
            self.follower.sequence = self.follower._newest = 0
        self.follower.created = self.created
        self.view.follow(self.follower, lambda: self.tail is not None)

    def look(self) -> None:
        """The follower fills a gap."""
        if self.tail is not None and not self.follower.caught_up:
            try:
                _now(self.follower._catch_up(cast("Any", self.tail)))
            except StartOverError:
                self.disconnect()

    def wait(self) -> None:
        seconds = self.random.choice((0.1, 0.9, 2.0, 30.0))
        self.time += timedelta(seconds=seconds)
        self.ticks += seconds

    def jump(self) -> None:
        """The guard's clock differs by something else now."""
        self.skew = timedelta(seconds=self.random.uniform(-9, 9))

    def check(self) -> None:
        refused = {token for token in self.revoked if self.view.revoked(_claims(token, self.time))}
        assert self.known <= refused, f"accepted again: {self.known - refused}"
        self.known = refused
        if self.view.state() is State.FRESH:
            # The guard's clock may be off in both directions when a heartbeat comes, and so is its age.
            due = {token for token, at in self.revoked.items() if self.time - at > BLIND + timedelta(seconds=9)}
            assert due <= refused, f"fresh without {due - refused}"


def _claims(token: str, at: datetime) -> Claims:
    return Claims(
        issuer="i",
        subject="s",
        audience=("a",),
        client_id="c",
        token_id=token,
        issued_at=at,
        expires_at=at + timedelta(minutes=10),
        scopes=frozenset(),
        key_id="k",
    )


def run(seed: int) -> None:
    """One seed.

    Raises:
        AssertionError: the promise was broken.
    """
    world = World(seed)
    steps = {
        world.commit: 3,
        world.relay: 3,
        world.beat: 4,
        world.deliver: 14,
        world.look: 4,
        world.wait: 4,
        world.jump: 1,
        world.doubt: 1,
        world.disconnect: 1,
        world.connect: 2,
        world.wipe: 0.3,
    }
    choices = world.random.choices(list(steps), list(steps.values()), k=STEPS)
    for number, step in enumerate(choices):
        step()
        try:
            world.check()
        except AssertionError as broken:
            raise AssertionError(f"seed {seed}, step {number} ({step.__name__}): {broken}") from broken


def main() -> None:
    """Run many seeds."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulation", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seeds", type=int, default=1000, help="how many (default %(default)s)")
    parser.add_argument("--first", type=int, default=0, help="the first one (default %(default)s)")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    for seed in range(options.first, options.first + options.seeds):
        run(seed)
    print(f"{options.seeds} seeds of {STEPS} steps, and the promise holds")


if __name__ == "__main__":
    main()
