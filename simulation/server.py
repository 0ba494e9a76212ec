"""A model of JetStream, as far as this system uses it: streams with sequences, copies known by their id, conditions on
what comes before, atomic batches, live copies, durable consumers with tries and dead letters.

It keeps every rule of the real server that the code relies on, and loses, repeats and delays what a real one may.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from lib_one.nats import topology

if TYPE_CHECKING:
    from simulation.network import Client
    from simulation.world import World

NOT_FOUND = {"code": 404, "err_code": 10059, "description": "stream not found"}
NO_MESSAGE = {"code": 404, "err_code": 10037, "description": "no message found"}
WRONG_LAST = {"code": 400, "err_code": 10071, "description": "wrong last sequence"}
A_COPY_IN_A_BATCH = {"code": 400, "err_code": 10201, "description": "batch publish contains duplicate message id"}

_encode = msgspec.json.encode


class Stored:
    """A message in a stream."""

    __slots__ = ("at", "body", "headers", "sequence", "subject")

    def __init__(self, sequence: int, subject: str, headers: dict[str, str], body: bytes, at: float) -> None:
        self.sequence = sequence
        self.subject = subject
        self.headers = headers
        self.body = body
        self.at = at


class Consumer:
    """A durable reader's place in a stream, and who asked for more."""

    def __init__(self, server: "Server", stream: "Stream", name: str, created: str) -> None:
        self.stream = stream
        self.name = name
        self.created = created
        self.next = 1
        self.open: dict[int, list[float]] = {}
        """Delivered and not acknowledged: when to deliver again, and how often that was done."""
        self.pulls: deque[tuple[Client, str, int]] = deque()
        self._server = server
        self._count = 0
        self._timer: asyncio.TimerHandle | None = None

    def pump(self) -> None:
        """Deliver what is due to whoever asked."""
        now = self._server.loop.time()
        while self.pulls:
            client, inbox, left = self.pulls[0]
            if left == 0 or client.forgotten:
                self.pulls.popleft()
                continue
            message = self._due(now)
            if message is None:
                break
            self.pulls[0] = (client, inbox, left - 1)
            entry = self.open.setdefault(message.sequence, [0.0, 0])
            entry[0], entry[1] = now + topology.ACK_WAIT.total_seconds(), entry[1] + 1
            self._count += 1
            place = f"{int(entry[1])}.{message.sequence}.{self._count}.0.0"
            client.tell(inbox, message.body, message.headers, reply=f"$JS.ACK.{self.stream.name}.{self.name}.{place}")
        self._wind(now)

    def judge(self, sequence: int, verdict: bytes) -> None:
        """Take a verdict: done, busy, again, or dead."""
        entry = self.open.get(sequence)
        if entry is None:
            return
        now = self._server.loop.time()
        if verdict == b"+WPI":
            entry[0] = now + topology.ACK_WAIT.total_seconds()
        elif verdict.startswith(b"-NAK"):
            entry[0] = now + (msgspec.json.decode(verdict[5:])["delay"] / 1e9 if verdict[5:] else 0.0)
        else:
            del self.open[sequence]
            if verdict.startswith(b"+TERM"):
                self._bury(sequence)
        self.pump()

    def end(self) -> None:
        """It is deleted: whoever waits for more hears of it."""
        for client, inbox, _ in self.pulls:
            client.tell(inbox, b"", {"Status": "409", "Description": "Consumer Deleted"})
        self.pulls.clear()
        self._wind(0.0)

    def _due(self, now: float) -> Stored | None:
        for sequence in sorted(self.open):
            due, deliveries = self.open[sequence]
            if due <= now:
                if sequence not in self.stream.messages:
                    del self.open[sequence]
                elif deliveries >= topology.MAX_DELIVER:
                    del self.open[sequence]
                    self._bury(sequence)
                else:
                    return self.stream.messages[sequence]
        while self.next <= self.stream.last:
            self.next += 1
            if self.next - 1 in self.stream.messages:
                return self.stream.messages[self.next - 1]
        return None

    def _bury(self, sequence: int) -> None:
        if sequence in self.stream.messages:
            self._server.dead.add(self.stream.messages[sequence].headers["ce-id"])

    def _wind(self, now: float) -> None:
        """Come back when the next one is due again."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.open and self.pulls:
            due = max(now + 0.001, min(due for due, _ in self.open.values()))
            self._timer = self._server.loop.call_at(due, self.pump, context=self._server.world.nobody)


class Stream:
    """What is stored, under growing sequences."""

    def __init__(self, server: "Server", row: topology.Stream, created: str) -> None:
        self.name = row.name
        self.created = created
        self.last = 0
        self.messages: dict[int, Stored] = {}
        self.newest: dict[str, int] = {}
        self.ids: dict[str, tuple[int, float]] = {}
        self.consumers: dict[str, Consumer] = {}
        self._row = row
        self._server = server

    def copy_of(self, headers: dict[str, str]) -> int | None:
        """Where a message of this id is, if it came within the window."""
        sequence, at = self.ids.get(headers["Nats-Msg-Id"], (0, 0.0))
        return sequence if sequence and self._server.loop.time() - at <= self._server.window else None

    def fits(self, subject: str, headers: dict[str, str]) -> bool:
        """Whether the stream stands where the publisher expects it to."""
        last, same = headers.get("Nats-Expected-Last-Sequence"), headers.get("Nats-Expected-Last-Subject-Sequence")
        return (last is None or int(last) == self.last) and (same is None or int(same) == self.newest.get(subject, 0))

    def store(self, subject: str, headers: dict[str, str], body: bytes) -> int:
        """Put it at the end."""
        self.last += 1
        now = self._server.loop.time()
        before = self.newest.get(subject)
        if self._row.latest_only and before is not None:
            del self.messages[before]
        stored = self.messages[self.last] = Stored(self.last, subject, headers, body, now)
        self.newest[subject] = self.last
        self.ids[headers["Nats-Msg-Id"]] = (self.last, now)
        self._server.world.stored(self.name, self.created, stored)
        if self._row.live is not None:
            self._server.tell_live(stored)
        for consumer in self.consumers.values():
            consumer.pump()
        return self.last

    def purge(self) -> None:
        """Every message is gone; sequences and ids go on."""
        self.messages.clear()
        self.newest.clear()

    def set_back(self, to: int) -> None:
        """The stream is what it was when it ended with this sequence."""
        self.last = to
        for sequence in [sequence for sequence in self.messages if sequence > to]:
            del self.messages[sequence]
        self.newest = {message.subject: message.sequence for message in self.messages.values()}
        self.ids = {id_: place for id_, place in self.ids.items() if place[0] <= to}
        for consumer in self.consumers.values():
            consumer.next = min(consumer.next, to + 1)
            consumer.open = {sequence: entry for sequence, entry in consumer.open.items() if sequence <= to}


class Server:
    """The one server of the simulated bus."""

    def __init__(self, world: "World", loop: asyncio.AbstractEventLoop, *, window: float) -> None:
        self.world = world
        self.loop = loop
        self.window = window
        """Seconds for which a copy is known by its id."""
        self.up = True
        self.streams: dict[str, Stream] = {}
        self.clients: list[Client] = []
        self.dead: set[str] = set()
        """Ids of the facts in the dead letters."""
        self._made = 0
        self._batches: dict[str, list[tuple[str, dict[str, str], bytes]]] = {}
        self._api: dict[str, Callable[[list[str], Any], object]] = {
            "STREAM.CREATE": self._create_stream,
            "STREAM.INFO": self._info,
            "STREAM.MSG.GET": self._get,
            "CONSUMER.CREATE": self._create_consumer,
        }

    def receive(self, client: "Client", subject: str, body: bytes, reply: str, headers: dict[str, str]) -> None:
        """One message has come in."""
        if subject.startswith("$JS.ACK."):
            _, _, stream, consumer, _, sequence, *_ = subject.split(".")
            if stream in self.streams and consumer in self.streams[stream].consumers:
                self.streams[stream].consumers[consumer].judge(int(sequence), body)
        elif subject.startswith("$JS.API.DIRECT.GET."):
            self._read(client, subject.removeprefix("$JS.API.DIRECT.GET."), msgspec.json.decode(body), reply)
        elif subject.startswith("$JS.API.CONSUMER.MSG.NEXT."):
            stream, consumer = subject.removeprefix("$JS.API.CONSUMER.MSG.NEXT.").split(".")
            if stream not in self.streams or consumer not in self.streams[stream].consumers:
                client.tell(reply, b"", {"Status": "503", "Description": "no responders"})
                return
            self.streams[stream].consumers[consumer].pulls.append((client, reply, msgspec.json.decode(body)["batch"]))
            self.streams[stream].consumers[consumer].pump()
        elif subject.startswith("$JS.API."):
            verb = next(verb for verb in self._api if subject.startswith(f"$JS.API.{verb}."))
            names = subject.removeprefix(f"$JS.API.{verb}.").split(".")
            client.tell(reply, _encode(self._api[verb](names, msgspec.json.decode(body) if body else None)))
        else:
            self._publish(client, subject, body, reply, headers)

    def tell_live(self, stored: Stored) -> None:
        """Tell everybody who listens that this was stored."""
        headers = stored.headers | {"Nats-Sequence": str(stored.sequence)}
        for client in list(self.clients):
            client.tell(f"live.{stored.subject}", stored.body, headers)

    def lose(self, name: str) -> None:
        """A stream is gone, with its consumers."""
        stream = self.streams.pop(name, None)
        if stream is not None:
            for consumer in stream.consumers.values():
                consumer.end()

    def _publish(self, client: "Client", subject: str, body: bytes, reply: str, headers: dict[str, str]) -> None:
        name = next(row.name for row in topology.TOPOLOGY if subject.startswith(row.subjects[0].removesuffix(">")))
        stream = self.streams.get(name)
        batch = headers.get("Nats-Batch-Id")
        faults = self.world.faults
        if faults and batch is None and self.world.chance.random() < faults.lost:
            return  # as when the leader of a cluster changes: one is not stored, and the next one is
        if stream is None:
            answer = b""  # nobody listens there
        elif batch is None:
            answer = self._take(stream, subject, headers, body)
        else:
            messages = self._batches.setdefault(batch, [])
            messages.append((subject, headers, body))
            if "Nats-Batch-Commit" not in headers:
                return
            answer = self._take_batch(stream, self._batches.pop(batch), int(headers["Nats-Batch-Sequence"]))
        if reply:
            client.tell(reply, answer)

    def _take(self, stream: Stream, subject: str, headers: dict[str, str], body: bytes) -> bytes:
        known = stream.copy_of(headers)
        if known is not None:
            return _encode({"stream": stream.name, "seq": known, "duplicate": True})
        if not stream.fits(subject, headers):
            return _encode({"error": WRONG_LAST})
        return _encode({"stream": stream.name, "seq": stream.store(subject, headers, body)})

    def _take_batch(self, stream: Stream, messages: list[tuple[str, dict[str, str], bytes]], count: int) -> bytes:
        if len(messages) != count or any(stream.copy_of(headers) for _, headers, _ in messages):
            return _encode({"error": A_COPY_IN_A_BATCH})
        for subject, headers, body in messages:
            stream.store(subject, headers, body)
        return _encode({"stream": stream.name, "seq": stream.last})

    def _create_stream(self, names: list[str], _wish: Any) -> object:
        (name,) = names
        if name not in self.streams:
            row = next(row for row in topology.TOPOLOGY if row.name == name)
            self.streams[name] = Stream(self, row, self._moment())
        return {}

    def _create_consumer(self, names: list[str], _wish: Any) -> object:
        stream = self.streams.get(names[0])
        if stream is None:
            return {"error": NOT_FOUND}
        if names[1] not in stream.consumers:
            stream.consumers[names[1]] = Consumer(self, stream, names[1], self._moment())
        return {"created": stream.consumers[names[1]].created}

    def _info(self, names: list[str], _wish: Any) -> object:
        stream = self.streams.get(names[0])
        if stream is None:
            return {"error": NOT_FOUND}
        return {"created": stream.created, "state": {"messages": len(stream.messages), "last_seq": stream.last}}

    def _get(self, names: list[str], wish: Any) -> object:
        stream = self.streams.get(names[0])
        found = [] if stream is None else [sequence for sequence in stream.messages if sequence >= wish["seq"]]
        return {"message": {"seq": min(found)}} if found else {"error": NO_MESSAGE}

    def _read(self, client: "Client", name: str, wish: Any, reply: str) -> None:
        stream = self.streams.get(name)
        if stream is None:
            client.tell(reply, b"", {"Status": "503", "Description": "no responders"})
            return
        found = [stream.messages[sequence] for sequence in sorted(stream.messages) if sequence >= wish["seq"]]
        part = found[: min(wish["batch"], self.world.page)]
        for stored in part:
            client.tell(reply, stored.body, stored.headers | {"Nats-Sequence": str(stored.sequence)})
        left = len(found) - len(part)
        client.tell(reply, b"", {"Status": "204", "Nats-Num-Pending": str(left)} if part else {"Status": "404"})

    def _moment(self) -> str:
        self._made += 1
        return f"made {self._made}"
