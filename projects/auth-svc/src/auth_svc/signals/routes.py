"""The addresses at which receivers manage their streams (SSF 1.0 section 8), and what they find first (section 7)."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

import msgspec

from auth_svc.clients import Client, Clients
from auth_svc.db import Connection, Ledger
from auth_svc.errors import InsufficientScope, InvalidRequest, InvalidToken, OAuthError
from auth_svc.protocol import SSF_MANAGE, SSF_READ
from auth_svc.signals import store
from auth_svc.signals.description import Describing, StreamWanted
from auth_svc.signals.events import POLL, PUSH
from auth_svc.signals.streams import Streams
from auth_svc.subjects import IssSub, Subjects
from auth_svc.token import AccessClaims, PresentedTokens
from auth_svc.wire import NO_STORE, Endpoint, Fixed, Handler, Request, Response, error_response, json_response

_LONGEST_STATE: Final = 1024
_LONGEST_REASON: Final = 256
_HEADERS = [(b"content-type", b"application/json"), (b"cache-control", b"public, max-age=300")]


class StatusWanted(msgspec.Struct, frozen=True):
    """The body of a change of status (SSF 1.0 section 8.1.2.2)."""

    stream_id: str
    status: store.Status
    reason: str | None = None


class SubjectWanted(msgspec.Struct, frozen=True):
    """Whom a stream is to tell about, or not (SSF 1.0 section 8.1.3)."""

    stream_id: str
    subject: IssSub
    verified: bool = True


class VerificationWanted(msgspec.Struct, frozen=True):
    """The body of a request for a verification (SSF 1.0 section 8.1.4.2)."""

    stream_id: str
    state: str | None = None


type Respond = Callable[[Request, Client], Awaitable[Response]]


class Receivers:
    """Knows which receiver asks, by its access token."""

    def __init__(self, presented: PresentedTokens, clients: Clients) -> None:
        self._presented = presented
        self._clients = clients

    async def answer(self, request: Request, respond: Respond, *, uri: str, scopes: frozenset[str]) -> Response:
        """Answer a receiver whose token has one of these scopes; everybody else gets a challenge."""

        async def authorized(claims: AccessClaims) -> Response:
            if not scopes & claims.scopes:
                raise InsufficientScope
            client = self._clients.find(claims.client_id)
            if client is None:
                raise InvalidToken("of a client that is disabled")
            try:
                return await respond(request, client)
            except OAuthError as error:
                return error_response(error)  # the token was good: no challenge

        return await self._presented.answer(request, authorized, uri=uri)


class Management:
    """The endpoints of a transmitter, but for the one that is polled."""

    def __init__(
        self,
        ledger: Ledger,
        receivers: Receivers,
        streams: Streams,
        describing: Describing,
        subjects: Subjects,
        *,
        issuer: str,
    ) -> None:
        self._ledger = ledger
        self._receivers = receivers
        self._streams = streams
        self._describing = describing
        self._subjects = subjects
        self._issuer = issuer
        handlers: dict[str, dict[str, Respond]] = {
            "/ssf/streams": {
                "POST": self._create,
                "GET": self._show,
                "PATCH": partial(self._change, whole=False),
                "PUT": partial(self._change, whole=True),
                "DELETE": self._delete,
            },
            "/ssf/status": {"GET": self._show_status, "POST": self._set_status},
            "/ssf/subjects:add": {"POST": partial(self._subject, told=True)},
            "/ssf/subjects:remove": {"POST": partial(self._subject, told=False)},
            "/ssf/verify": {"POST": self._verify},
        }
        self.endpoints = {
            path: Endpoint({method: self._guarded(path, method, respond) for method, respond in by_method.items()})
            for path, by_method in handlers.items()
        }
        """By path under the issuer."""

    def _guarded(self, path: str, method: str, respond: Respond) -> Handler:
        scopes = frozenset({SSF_MANAGE, SSF_READ} if method == "GET" else {SSF_MANAGE})
        return partial(self._receivers.answer, respond=respond, uri=f"{self._issuer}{path}", scopes=scopes)

    async def _create(self, request: Request, client: Client) -> Response:
        description = self._describing.read(await _body(request, StreamWanted), whole=True)
        stream = await self._ledger.database.work(lambda c: self._streams.create(c, client, description))
        return json_response(self._describing.show(stream), status=201)

    async def _show(self, request: Request, client: Client) -> Response:
        stream_id = request.query().get("stream_id")
        if stream_id is None:
            found = await self._ledger.database.read(lambda c: store.of_client(c, client.client_id))
            return json_response([] if found is None else [self._describing.show(found)])
        return json_response(self._describing.show(await self._of(client, stream_id)))

    async def _change(self, request: Request, client: Client, *, whole: bool) -> Response:
        wanted = await _body(request, StreamWanted)
        stream_id = wanted.stream_id
        if stream_id is msgspec.UNSET:
            raise InvalidRequest("no stream_id")
        description = self._describing.read(wanted, whole=whole)

        def unit(connection: Connection) -> store.Stream:
            stream = self._streams.of(connection, client.client_id, stream_id=stream_id)
            self._describing.check(wanted, stream)
            return self._streams.change(connection, stream, description)

        return json_response(self._describing.show(await self._ledger.database.work(unit)))

    async def _delete(self, request: Request, client: Client) -> Response:
        stream_id = _named(request)

        def unit(connection: Connection) -> None:
            self._streams.remove(connection, self._streams.of(connection, client.client_id, stream_id=stream_id))

        await self._ledger.database.work(unit)
        return Response(204, NO_STORE, b"")

    async def _show_status(self, request: Request, client: Client) -> Response:
        return json_response(_status(await self._of(client, _named(request))))

    async def _set_status(self, request: Request, client: Client) -> Response:
        wanted = await _body(request, StatusWanted)
        reason = wanted.reason
        if reason is not None and (len(reason) > _LONGEST_REASON or not reason.isprintable()):
            raise InvalidRequest("the reason is too long, or not for people")

        def unit(connection: Connection) -> store.Stream:
            stream = self._streams.of(connection, client.client_id, stream_id=wanted.stream_id)
            return self._streams.set_status(connection, stream, wanted.status, reason)

        return json_response(_status(await self._ledger.database.work(unit)))

    async def _subject(self, request: Request, client: Client, *, told: bool) -> Response:
        """Take a person in or leave them out. Who is nobody here is answered in the same way (section 9.1)."""
        wanted = await _body(request, SubjectWanted)
        named = wanted.subject
        known = named.iss == self._issuer and named.sub.isprintable()
        user_id = self._subjects.person(client, named.sub) if known else None

        def unit(connection: Connection) -> None:
            stream = self._streams.of(connection, client.client_id, stream_id=wanted.stream_id)
            if user_id is not None:
                self._streams.tell_about(connection, stream, user_id, told=told)

        await self._ledger.database.work(unit)
        return Response(200 if told else 204, NO_STORE, b"")

    async def _verify(self, request: Request, client: Client) -> Response:
        wanted = await _body(request, VerificationWanted)
        if wanted.state is not None and len(wanted.state) > _LONGEST_STATE:
            raise InvalidRequest("the state is too long")

        def unit(connection: Connection) -> None:
            stream = self._streams.of(connection, client.client_id, stream_id=wanted.stream_id)
            self._streams.verify(connection, stream, state=wanted.state)

        await self._ledger.database.work(unit)
        return Response(204, NO_STORE, b"")

    async def _of(self, client: Client, stream_id: str) -> store.Stream:
        return await self._ledger.database.read(
            lambda connection: self._streams.of(connection, client.client_id, stream_id=stream_id)
        )


def configuration(issuer: str) -> Fixed:
    """What answers /.well-known/ssf-configuration (SSF 1.0 section 7.1)."""
    content = msgspec.json.encode(
        {
            "spec_version": "1_0",
            "issuer": issuer,
            "jwks_uri": f"{issuer}/jwks",
            "delivery_methods_supported": [PUSH, POLL],
            "configuration_endpoint": f"{issuer}/ssf/streams",
            "status_endpoint": f"{issuer}/ssf/status",
            "add_subject_endpoint": f"{issuer}/ssf/subjects:add",
            "remove_subject_endpoint": f"{issuer}/ssf/subjects:remove",
            "verification_endpoint": f"{issuer}/ssf/verify",
            "authorization_schemes": [{"spec_urn": "urn:ietf:rfc:6749"}],
            "default_subjects": "ALL",
        }
    )
    return Fixed(lambda: content, _HEADERS)


async def _body[T](request: Request, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(await request.body(), type=kind)
    except (ValueError, RecursionError) as error:  # msgspec's and Unicode's errors are ValueErrors
        raise InvalidRequest("the body does not have the shape") from error


def _named(request: Request) -> str:
    stream_id = request.query().get("stream_id")
    if stream_id is None:
        raise InvalidRequest("no stream_id")
    return stream_id


def _status(stream: store.Stream) -> dict[str, Any]:
    shown = {"stream_id": stream.stream_id, "status": stream.status}
    return shown if stream.reason is None else shown | {"reason": stream.reason}
