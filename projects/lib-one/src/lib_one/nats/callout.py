"""The auth callout of NATS: a server asks whether a connection may be, and is told who it is and what it may do.

The wire format alone; who is admitted is decided elsewhere. A request is a JWT that the server signs with its own key
and seals for our curve key, since it carries what the connection shows; the answer is a JWT of the issuer that the
server's configuration names, around a user JWT with the permissions (nats-server's ADR-26).
"""

import base64
import contextlib
from collections.abc import Awaitable, Callable
from datetime import datetime

import msgspec
import nkeys  # type: ignore[import-untyped]
from nacl.exceptions import CryptoError
from nacl.signing import VerifyKey
from nats.aio.msg import Msg

from lib_one.errors import BusUnavailableError
from lib_one.event import Now
from lib_one.nats.connection import NatsConnection
from lib_one.nats.seeds import CurveKey, public_key, server_key
from lib_one.observe import get_logger

SUBJECT = "$SYS.REQ.USER.AUTH"
QUEUE = "admission"
"""Every process that answers is in this queue group: one of them gets a request."""
ACCOUNT = "SERVICES"
"""The account in which whoever is admitted is."""
AUDIENCE = "nats-authorization-request"
SERVER_KEY_HEADER = "Nats-Server-Xkey"

log = get_logger(__name__)


class CalloutError(Exception):
    """A request that no server of ours can have sent."""


class Shown(msgspec.Struct, frozen=True):
    """What a connection shows in its CONNECT; the server passes it on as it came, and has checked nothing of it."""

    auth_token: str = ""
    signed: str = msgspec.field(default="", name="sig")
    """What it made of the server's nonce."""
    nonce: str = ""
    """What the server gave to this connection and to no other."""


class Admission(msgspec.Struct, frozen=True, kw_only=True):
    """The answer yes: who it is, what it may do, and until when."""

    name: str
    """What the server calls the connection from now on, in its monitoring too: no secret."""
    publish: tuple[str, ...]
    subscribe: tuple[str, ...]
    expires_at: int
    """Seconds since the epoch; the server then ends the connection."""


type Decide = Callable[[Shown], Awaitable[Admission | str]]
"""Admits, or says why not: the server logs the reason, and does not tell it to the connection."""


class _ServerId(msgspec.Struct):
    id: str
    xkey: str = ""


class _ClientInfo(msgspec.Struct):
    nonce: str = ""
    """Told with something signed alone."""


class _Asked(msgspec.Struct):
    server_id: _ServerId
    user_nkey: str
    connect_opts: Shown
    client_info: _ClientInfo = msgspec.field(default_factory=_ClientInfo)

    @property
    def shown(self) -> Shown:
        """What is to be decided about."""
        return msgspec.structs.replace(self.connect_opts, nonce=self.client_info.nonce)


class Request(msgspec.Struct):
    """A request as the server signed it."""

    iss: str
    aud: str
    nats: _Asked
    exp: int | None = None


class Callout:
    """Answers the requests of the servers, over every connection there will be.

    Args:
        connection: The process's connection; its user is one of the server's `auth_users`.
        issuer_seed: Of the account nkey that the server's configuration calls `issuer`.
        curve_seed: Of the curve nkey that it calls `xkey`.
        decide: Who is admitted.
        now: The clock.

    Raises:
        ValueError: one of the seeds is none.
    """

    def __init__(
        self, connection: NatsConnection, *, issuer_seed: str, curve_seed: str, decide: Decide, now: Now
    ) -> None:
        self.admitted = self.refused = 0
        self._connection = connection
        self._issuer = public_key(issuer_seed)
        self._signer = nkeys.from_seed(bytearray(issuer_seed.encode()))
        self._curve = CurveKey(curve_seed)
        self._decide = decide
        self._now = now

    async def run(self) -> None:
        """Answer until cancelled."""
        while True:
            session = await self._connection.session()
            with contextlib.suppress(BusUnavailableError):

                async def respond(message: Msg) -> None:
                    answer = await self._answer(message)
                    if answer is not None:
                        with contextlib.suppress(BusUnavailableError):
                            await session.publish(message.reply, answer)  # noqa: B023 - it ends with its session

                await session.serve(SUBJECT, respond, queue=QUEUE)
                await session.ended.wait()

    async def _answer(self, message: Msg) -> bytes | None:
        """The sealed answer; None to a request that is not from a server, which gets none."""
        server_curve = (message.headers or {}).get(SERVER_KEY_HEADER, "")
        try:
            request = read(self._curve.open(message.data, server_curve), now=self._now())
            if request.nats.server_id.xkey != server_curve:
                raise CalloutError("sealed by another key than the server's")
        except (CalloutError, ValueError) as error:
            log.warning("a question about a connection is not a server's", reason=str(error))
            return None
        try:
            decision = await self._decide(request.nats.shown)
        except Exception:
            log.exception("who asks for admission could not be decided about")
            decision = "no decision"
        if isinstance(decision, str):
            self.refused += 1
            log.info("not admitted to the bus", reason=decision)
        else:
            self.admitted += 1
        return self._curve.seal(self._response(request.nats, decision), server_curve)

    def _response(self, asked: _Asked, decision: Admission | str) -> bytes:
        body: dict[str, object] = {"type": "authorization_response", "version": 2}
        if isinstance(decision, str):
            body["error"] = decision
        else:
            body["jwt"] = self._user(asked.user_nkey, decision).decode()
        return self._sign({"sub": asked.user_nkey, "aud": asked.server_id.id, "nats": body})

    def _user(self, user_nkey: str, admission: Admission) -> bytes:
        nats = {
            "pub": _permission(admission.publish),
            "sub": _permission(admission.subscribe),
            "subs": -1,
            "data": -1,
            "payload": -1,
            "type": "user",
            "version": 2,
        }
        claims = {"sub": user_nkey, "aud": ACCOUNT, "name": admission.name, "exp": admission.expires_at, "nats": nats}
        return self._sign(claims)

    def _sign(self, claims: dict[str, object]) -> bytes:
        claims = {"iss": self._issuer, "iat": int(self._now().timestamp()), **claims}
        signed = _HEADER + b"." + _encode64(msgspec.json.encode(claims))
        return signed + b"." + _encode64(self._signer.sign(signed))


def read(token: bytes, *, now: datetime) -> Request:
    """Return a request, if the server that it names has signed it, for an answer now.

    Raises:
        CalloutError: it is none.
    """
    try:
        signed, _, signature = token.rpartition(b".")
        header, _, payload = signed.partition(b".")
        if msgspec.json.decode(_decode64(header)) != msgspec.json.decode(_decode64(_HEADER)):
            raise CalloutError("another algorithm")
        request = msgspec.json.decode(_decode64(payload), type=Request)
        if request.iss != request.nats.server_id.id:
            raise CalloutError("signed by another server than it names")
        VerifyKey(server_key(request.iss)).verify(signed, _decode64(signature))
    except (CryptoError, ValueError) as error:  # msgspec's errors are ValueErrors
        raise CalloutError("not signed by a server") from error
    if request.aud != AUDIENCE:
        raise CalloutError("meant for something else")
    if request.exp is not None and request.exp <= now.timestamp():
        raise CalloutError("too late")
    return request


def _permission(subjects: tuple[str, ...]) -> dict[str, list[str]]:
    # An empty list of what is allowed would allow everything.
    return {"allow": list(subjects)} if subjects else {"deny": [">"]}


def _encode64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _decode64(text: bytes) -> bytes:
    return base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))


_HEADER = _encode64(b'{"typ":"JWT","alg":"ed25519-nkey"}')
