"""Machine endpoints: plain ASGI in front of FastAPI, because a form there costs more than all the cryptography.

This module owes what FastAPI no longer does for them: a body limit, urlencoded forms only, a repeated parameter is
`invalid_request` and an empty one absent, OAuth's JSON errors, `no-store` on success and error, 405 with `Allow`.
"""

import re
from binascii import a2b_qp
from collections.abc import Awaitable, Callable, Iterable, Mapping
from time import perf_counter
from typing import Any, NamedTuple

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from auth_svc.errors import (
    BodyTooLarge,
    MalformedEncoding,
    MethodNotAllowed,
    OAuthError,
    RepeatedParameter,
    ServerError,
    TemporarilyUnavailable,
    UseDpopNonce,
    WrongContentType,
    token_body,
)
from auth_svc.protocol import resource_identifier
from lib_one.observe import Traffic, end_request, get_logger
from lib_one.sql import DatabaseUnavailableError
from lib_one.trace import Span, enter, leave

BODY_LIMIT = 64 * 1024
"""Bytes. Honest forms have a few hundred; a JWT as a parameter a few thousand."""

type Headers = list[tuple[bytes, bytes]]

NO_STORE: Headers = [(b"cache-control", b"no-store"), (b"pragma", b"no-cache")]
_JSON = (b"content-type", b"application/json")
_JSON_NO_STORE: Headers = [_JSON, *NO_STORE]
_BASIC = (b"www-authenticate", b'Basic realm="auth-svc", charset="UTF-8"')

_log = get_logger(__name__)
_encode = msgspec.json.Encoder().encode
_BROKEN = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_CONTROL = bytes([*range(0x20), 0x7F])


class Form(dict[str, str]):
    """The parameters of a request, none empty. Only `resource` may be repeated (RFC 8707 section 2).

    `parse_form` refuses what the last two would tell of; pages read it first (`auth_svc.web.Fields`).
    """

    resources: tuple[str, ...] = ()
    """Every `resource`, in order."""
    repeated: frozenset[str] = frozenset()
    """The names, other than `resource`, that came more than once; of their values the first counts."""
    has_control_characters: bool = False
    """Whether a name or value holds what no text field and no OAuth parameter may (RFC 6749 appendix A)."""


class Response(NamedTuple):
    """An answer, ready to be sent."""

    status: int
    headers: Headers
    body: bytes


class Request:
    """What a machine endpoint sees of a request."""

    __slots__ = ("_receive", "scope")

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.scope = scope
        self._receive = receive

    @property
    def method(self) -> str:
        """`GET`, `POST`, …"""
        method: str = self.scope["method"]
        return method

    def header(self, name: bytes) -> bytes | None:
        """Return the header (name in lower case), or None.

        Raises:
            RepeatedParameter: it is there twice; which one counts is nothing to guess.
        """
        found: bytes | None = None
        for key, value in self.scope["headers"]:
            if key == name:
                if found is not None:
                    raise RepeatedParameter(f"header {name.decode()}")
                found = value
        return found

    async def body(self, limit: int = BODY_LIMIT) -> bytes:
        """Read the body, never more than `limit` bytes of it.

        Raises:
            BodyTooLarge: it is longer, as announced or as found.
        """
        announced = self.header(b"content-length")
        if announced is not None and (not announced.isdigit() or len(announced) > 18 or int(announced) > limit):
            raise BodyTooLarge
        message = await self._receive()
        body: bytes = message.get("body", b"")
        if not message.get("more_body", False):
            if len(body) > limit:
                raise BodyTooLarge
            return body
        parts, size = [body], len(body)
        while message.get("more_body", False):
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnected
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > limit:
                raise BodyTooLarge
        return b"".join(parts)

    async def form(self) -> Form:
        """Read the body as a form.

        Raises:
            InvalidRequest: wrong content type, malformed encoding, a repeated parameter, too large (413).
        """
        content_type = self.header(b"content-type")
        if content_type != b"application/x-www-form-urlencoded":
            _check_content_type(content_type)
        return parse_form(await self.body())

    async def gone(self) -> None:
        """Return once the caller has gone away. The body must have been read."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    def query(self) -> Form:
        """Read the query of the address like a form, with the same rules."""
        return parse_form(self.scope["query_string"])


class ClientDisconnected(Exception):  # noqa: N818 - not an error of ours
    """The caller went away before the request was complete."""


type Handler = Callable[[Request], Awaitable[Response]]


class Endpoint:
    """One path: its handlers by method. GET brings HEAD with it, and OPTIONS and wrong methods are answered for all."""

    def __init__(self, handlers: Mapping[str, Handler], *, headers: Headers | None = None) -> None:
        """`headers` go with the answer to OPTIONS and to wrong methods, beside `Allow`."""
        self._handlers = dict(handlers)
        if "GET" in self._handlers:
            self._handlers.setdefault("HEAD", self._handlers["GET"])
        self._allow = [(b"allow", ", ".join([*self._handlers, "OPTIONS"]).encode()), *(headers or [])]
        self._handlers.setdefault("OPTIONS", self._options)

    def handler(self, method: str) -> Handler:
        """Return what answers this method."""
        return self._handlers.get(method, self._refuse)

    async def _options(self, _request: Request) -> Response:
        return Response(204, self._allow, b"")

    async def _refuse(self, _request: Request) -> Response:
        return error_response(MethodNotAllowed(), self._allow)


class Fixed(Endpoint):
    """A document that any page may read and that changes seldom: built once for each content."""

    def __init__(self, body: Callable[[], bytes], headers: Headers) -> None:
        """Answer with what `body` returns; it must return the same object until the content changes."""

        async def document(_request: Request) -> Response:
            return Response(200, [*headers, *open_], body())

        open_ = [(b"access-control-allow-origin", b"*")]
        super().__init__({"GET": document}, headers=open_)
        self._body = body
        self._headers = [*headers, *open_]
        self._built: bytes | None = None
        self._messages: tuple[Message, Message] = ({}, {})

    def messages(self) -> tuple[Message, Message]:
        """The two ASGI messages of the answer to GET."""
        body = self._body()
        if body is not self._built:
            length = (b"content-length", b"%d" % len(body))
            self._messages = (
                {"type": "http.response.start", "status": 200, "headers": [*self._headers, length]},
                {"type": "http.response.body", "body": body},
            )
            self._built = body
        return self._messages


class FastLane:
    """The ASGI application in front: a path that is in the table is answered here, everything else goes on."""

    def __init__(self, endpoints: Mapping[str, Endpoint], rest: ASGIApp, traffic: Traffic) -> None:
        """`traffic` counts what is answered here."""
        self._endpoints = dict(endpoints)
        self._rest = rest
        self._traffic = traffic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI 3)."""
        endpoint = self._endpoints.get(scope["path"]) if scope["type"] == "http" else None
        if endpoint is None:
            await self._rest(scope, receive, send)
            return
        began = perf_counter()
        path, method, traffic = scope["path"], scope["method"], self._traffic
        if type(endpoint) is Fixed and method == "GET":
            start, rest = endpoint.messages()
            traffic.count(path, method, 200, perf_counter() - began)
            await send(start)
            await send(rest)
            return
        work = Span(scope["headers"])
        before = enter(work)
        traffic.under_way += 1
        try:
            status, headers, body = await endpoint.handler(method)(Request(scope, receive))
        except OAuthError as error:
            status, headers, body = error_response(error)
        except ClientDisconnected:
            return
        except DatabaseUnavailableError as error:
            _log.warning("database away", path=path, error=str(error))
            status, headers, body = error_response(TemporarilyUnavailable())
        except Exception:
            _log.exception("unexpected", path=path, method=method)
            status, headers, body = error_response(ServerError())
        finally:
            traffic.under_way -= 1
            leave(before)
        traffic.count(path, method, status, perf_counter() - began)
        if work.began_ns:
            end_request(work, scope, path, status)
        if status != 204:
            headers = [*headers, (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if method == "HEAD" else body})


def json_response(value: Any, *, status: int = 200) -> Response:
    """JSON that nobody may keep: the default for everything with a token or about one."""
    return Response(status, _JSON_NO_STORE, _encode(value))


def json_bytes(body: bytes, headers: Iterable[tuple[bytes, bytes]] = ()) -> Response:
    """The same for JSON that is encoded already, with more headers."""
    return Response(200, [*_JSON_NO_STORE, *headers], body)


def error_response(
    error: OAuthError, headers: Iterable[tuple[bytes, bytes]] = (), *, status: int | None = None
) -> Response:
    """An OAuth error as JSON, with the headers that it asks for. `status` is for where another is due than usual."""
    extra = list(headers)
    if isinstance(error, UseDpopNonce):
        extra.append((b"dpop-nonce", error.nonce.encode()))
    elif error.status == 401 and not any(name == b"www-authenticate" for name, _ in extra):
        extra.append(_BASIC)
    elif isinstance(error, TemporarilyUnavailable):
        extra.append((b"retry-after", b"%d" % error.retry_after))
    elif isinstance(error, BodyTooLarge):
        # What is still coming will not be read, so the connection cannot be used again.
        extra.append((b"connection", b"close"))
    if error.detail:
        _log.info("refused", error=error.code, detail=error.detail)
    return Response(status or error.status, [_JSON, *NO_STORE, *extra], token_body(error))


def parse_form(body: bytes) -> Form:
    """Parse `application/x-www-form-urlencoded`, strictly.

    Empty values are left out (RFC 6749 section 3.2).

    Raises:
        RepeatedParameter: a name with two values.
        MalformedEncoding: broken percent-encoding, not UTF-8, or a control character.
    """
    form = Form()
    if not body:
        return form
    if body.translate(None, _CONTROL) != body:
        raise MalformedEncoding
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise MalformedEncoding from error
    resources: list[str] = []
    for pair in text.split("&"):
        name, _, value = pair.partition("=")
        if not value:
            continue
        if "%" in value or "+" in value:
            value = form_decode(value.encode())
        if "%" in name or "+" in name:
            name = form_decode(name.encode())
        if name == "resource":
            resources.append(resource_identifier(value))
        elif name in form:
            raise RepeatedParameter
        form[name] = value
    if resources:
        form.resources = tuple(resources)
    return form


def form_decode(raw: bytes) -> str:
    """Decode one name or value of a form, in which no control character stands as it is.

    Raises:
        MalformedEncoding: broken percent-encoding, not UTF-8, or a control character.
    """
    if b"+" in raw:
        raw = raw.replace(b"+", b" ")
    if b"%" in raw:
        if _BROKEN.search(raw):
            raise MalformedEncoding
        # Quoted-printable (RFC 2045) is the same with another sign, and the standard library decodes it in C.
        raw = a2b_qp(raw.replace(b"=", b"=3D").replace(b"%", b"="))
        if raw.translate(None, _CONTROL) != raw:
            raise MalformedEncoding
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise MalformedEncoding from error


def _check_content_type(value: bytes | None) -> None:
    if value is None:
        raise WrongContentType
    media, _, parameters = value.lower().partition(b";")
    charset = parameters.strip().removeprefix(b"charset=").strip(b'"')
    if media.strip() != b"application/x-www-form-urlencoded" or charset not in {b"", b"utf-8"}:
        raise WrongContentType
