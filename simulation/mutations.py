"""What if one line of the real code were wrong? `python -m simulation.mutations` breaks it there, and counts the seeds
until somebody notices.
"""

import argparse
import importlib
import inspect
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from simulation.world import BrokenPromiseError, run


class Mutation(NamedTuple):
    """One line, in one function."""

    name: str
    module: str
    function: str
    old: str
    new: str


_RELAY, _PULSE, _BOOKMARKS = "lib_one.sql.relay", "lib_one.sql.pulse", "lib_one.sql.bookmarks"
_INBOX, _PROJECTOR = "lib_one.sql.inbox", "app_svc.tracking.projector"
_READER, _FOLLOWER, _TAIL, _VIEW = (
    "lib_one.nats.consuming",
    "lib_one.nats.follower",
    "lib_one.nats.tail",
    "lib_two.revocation",
)

MUTATIONS = (
    Mutation("relay: sent before the ack", _RELAY, "Relay._publish", "failed = result", "sent.append(row.position)"),
    Mutation(
        "relay: `id > last` in place of `sent_at IS NULL`",
        _RELAY,
        "_mark",
        "for first, last in _runs(sent)]",
        "for first, last in [(0, max(sent, default=0))]]",
    ),
    Mutation("relay: an aggregate's facts together in flight", _RELAY, "_turns", "seen.get(row.aggregate, 0)", "0"),
    Mutation(
        "relay: go on after a failure", _RELAY, "Relay._publish", "if failed is not None:\n            break", "pass"
    ),
    Mutation(
        "relay: a stream that was made anew is not noticed",
        _BOOKMARKS,
        "_has_lost",
        "stream.created != created or ",
        "",
    ),
    Mutation("relay: a stream that was set back is not noticed", _BOOKMARKS, "_has_lost", " or stream.last < last", ""),
    Mutation("pulse: the heartbeat comes after anything", _PULSE, "Pulse._vouch", ", after=self._end", ""),
    Mutation("pulse: published again under the old id", _PULSE, "_sent", ' | {"Nats-Msg-Id": new_id()}', ""),
    Mutation("pulse: what failed is no reason to doubt", _PULSE, "Pulse.follow", "self.doubt()", "pass"),
    Mutation("inbox: forgets", _INBOX, "Inbox.first_time", "return ", "return True or "),
    Mutation(
        "inbox: its row in another transaction than the effect",
        _PROJECTOR,
        "Projector._commit",
        "return await self._database.work(project)",
        "new = await self._database.work(lambda c: [one for one in lines if self._inbox.first_time(c, one.event_id)]); "
        "return await self._database.work(lambda c: store.append(c, new))",
    ),
    Mutation(
        "reader: acknowledged before the work",
        _READER,
        "Reader._work",
        "verdict = await self._verdict(message)",
        "verdict = _DONE; await self._tell(message.reply, verdict); await self._verdict(message)",
    ),
    Mutation(
        "reader: a failure counts as done",
        _READER,
        "Reader._judge",
        "return _again(self._backoff[attempt - 1])",
        "return _DONE",
    ),
    Mutation(
        "reader: an old verdict for a consumer that was made anew",
        _READER,
        "Reader._attend",
        "if made != self._made:",
        "if False:",
    ),
    Mutation(
        "follower: no gap check",
        _FOLLOWER,
        "Follower._take_live",
        "if self.caught_up and sequence == self.sequence + 1:",
        "if self.caught_up and sequence > self.sequence:",
    ),
    Mutation(
        "follower: copies that come during a replay are dropped",
        _FOLLOWER,
        "Follower._take_live",
        "tail.held.append((message, sequence))",
        "pass",
    ),
    Mutation(
        "follower: a stream that was made anew is not noticed",
        _FOLLOWER,
        "Follower._changed",
        "info.created != self.created or ",
        "",
    ),
    Mutation(
        "follower: caught up without a replay",
        _FOLLOWER,
        "Follower._catch_up",
        "await self._replay(tail, info.state)",
        "pass",
    ),
    Mutation(
        "view: a replayed heartbeat counts",
        _VIEW,
        "RevocationView._beat",
        "if self._feed is None or not self._feed.caught_up:",
        "if self._feed is None:",
    ),
    Mutation(
        "view: a heartbeat counts however old it is",
        _VIEW,
        "RevocationView._beat",
        "if abs(self._now() - fact.sent_at) <= MAX_SKEW:",
        "if True:",
    ),
    Mutation(
        "view: one heartbeat vouches for ever",
        _VIEW,
        "RevocationView.fresh",
        "<= FRESH_FOR",
        "< math.inf",
    ),
    Mutation("view: fresh with a gap", _VIEW, "RevocationView.fresh", " or not feed.caught_up", ""),
    Mutation(
        "view: a lost stream makes it forget",
        _VIEW,
        "RevocationView.reset",
        "self._heartbeat_at = -math.inf",
        "self._heartbeat_at = -math.inf; self._tokens.clear()",
    ),
)


@contextmanager
def broken(mutation: Mutation) -> Iterator[None]:
    """The real code with that one line wrong."""
    module = importlib.import_module(mutation.module)
    *path, name = mutation.function.split(".")
    owner: Any = getattr(module, path[0]) if path else module
    right = owner.__dict__[name]
    source = textwrap.dedent(inspect.getsource(right))
    assert mutation.old in source, f"{mutation.name}: the line is not there any more"
    made: dict[str, Any] = {}
    exec(compile(source.replace(mutation.old, mutation.new), module.__file__ or "", "exec"), module.__dict__, made)
    setattr(owner, name, made[name])
    try:
        yield
    finally:
        setattr(owner, name, right)


def seeds_until_noticed(mutation: Mutation, *, most: int) -> tuple[int, str] | None:
    """How many seeds it took, and what was said. None: none of so many."""
    with broken(mutation):
        for seed in range(most):
            try:
                run(seed)
            except BrokenPromiseError as noticed:
                return seed + 1, str(noticed)
    return None


def main() -> None:
    """Try each."""
    parser = argparse.ArgumentParser(prog="python -m simulation.mutations", description=__doc__)
    parser.add_argument("--most", type=int, default=500, help="seeds for each (default %(default)s)")
    parser.add_argument("--only", default="", metavar="TEXT", help="those with this in their name")
    options = parser.parse_args()
    for mutation in MUTATIONS:
        if options.only in mutation.name:
            found = seeds_until_noticed(mutation, most=options.most)
            print(f"{mutation.name:<60} {found[0] if found else f'not in {options.most}'}", flush=True)
            if found:
                print(f"    {found[1]}", flush=True)


if __name__ == "__main__":
    main()
