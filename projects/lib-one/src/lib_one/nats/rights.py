"""Who may connect to the bus, and what they may say and hear: the one table behind every configuration."""

from dataclasses import dataclass


@dataclass(frozen=True)
class User:
    """Somebody who may connect, with what they may say and hear."""

    name: str
    publish: tuple[str, ...]
    subscribe: tuple[str, ...]


def _jetstream(owned: tuple[str, ...], read: tuple[str, ...] = ()) -> tuple[str, ...]:
    """API subjects to make `owned` streams and work off their consumers, and to read `read` streams."""
    subjects: list[str] = ["$JS.API.INFO"]
    for stream in owned:
        subjects += [
            f"$JS.API.STREAM.CREATE.{stream}",
            f"$JS.API.STREAM.UPDATE.{stream}",
            f"$JS.API.CONSUMER.CREATE.{stream}.>",
            f"$JS.API.CONSUMER.INFO.{stream}.>",
            f"$JS.API.CONSUMER.MSG.NEXT.{stream}.>",
            f"$JS.ACK.{stream}.>",
        ]
    for stream in (*owned, *read):
        subjects += [
            f"$JS.API.STREAM.INFO.{stream}",
            f"$JS.API.STREAM.MSG.GET.{stream}",
            f"$JS.API.DIRECT.GET.{stream}",
        ]
    return tuple(subjects)


def _reader(stream: str, durable: str) -> tuple[str, ...]:
    """What a service may say about a durable reader of its own: give it a dead letter once more, and set it back."""
    return (f"replay.{durable}", "$JS.API.STREAM.MSG.DELETE.DEAD", f"$JS.API.CONSUMER.RESET.{stream}.{durable}")


def _service(
    name: str, says: tuple[str, ...], owned: tuple[str, ...], read: tuple[str, ...], hears: tuple[str, ...]
) -> User:
    return User(name, (*says, *_jetstream(owned, read)), (f"_INBOX.{name}.>", "$SRV.>", *hears))


USERS: tuple[User, ...] = (
    _service(
        "auth-svc",
        ("auth.>", "webhooks.auth-svc.>", "$SRV.STATS"),
        ("AUTH", "REV", "WEBHOOKS", "DEAD"),
        (),
        ("live.auth.rev.>", "$SYS.REQ.USER.AUTH"),
    ),
    _service(
        "app-svc",
        ("shipments.>", "webhooks.app-svc.>", "live.shipments.>", *_reader("SHIPMENTS", "app_svc__timeline")),
        ("SHIPMENTS", "WEBHOOKS", "DEAD"),
        ("REV",),
        ("live.auth.rev.>",),
    ),
    _service("guard", (), (), ("REV",), ("live.auth.rev.>",)),
    User("operator", (">",), (">",)),
)
"""Who may connect to the services' account. `guard` is any other service that checks tokens: it hears revocations and
tells how it is, and nothing else. `operator` inspects and repairs; only auth-svc publishes `auth.>`."""

SYSTEM_USER = "system"
"""Sees and does everything in the server's own account: connections, statistics."""

DOORKEEPER = User(
    "door-keeper",
    ("$SYS.REQ.SERVER.PING.CONNZ", "$SYS.REQ.SERVER.*.CONNZ", "$SYS.REQ.SERVER.*.KICK"),
    ("_INBOX.door-keeper.>", "$SYS.ACCOUNT.SERVICES.CONNECT", "$SYS.ACCOUNT.SERVICES.DISCONNECT"),
)
"""auth-svc in the server's own account: it sees who is connected, and ends connections."""

DOOR_ISSUER, DOOR_CURVE = "door-issuer", "door-curve"
"""The keys of the auth callout: whose signature admits a connection, and for whom the server seals its questions."""

KEYS = (*(user.name for user in USERS), SYSTEM_USER, DOORKEEPER.name, DOOR_ISSUER, DOOR_CURVE)
"""The name of every key that there is."""
