"""HTTP as this service speaks it: JSON in and out by msgspec, and problem+json (RFC 9457) for every refusal.

Bodies do not go through FastAPI's own parsing: it would answer 422 with its own shape for everything, read a body of
any size, and look at it before the token.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

from app_svc.errors import (
    AppError,
    BodyTimeout,
    BodyTooLarge,
    Fault,
    FieldError,
    InvalidRequest,
    MalformedRequest,
    WrongMediaType,
    fault_of,
)
from lib_one.observe import get_logger
from lib_one.sql import DatabaseUnavailableError

log = get_logger(__name__)

PROBLEM_JSON = "application/problem+json"
SMALL_BODY = 64 * 1024
"""Bytes of a body with one command."""
DRAINED = 16 * 1024 * 1024
"""Bytes of a refused body that are read and dropped, so that the client gets to see the answer."""
BODY_TIME = 20.0
"""Seconds in which a body must have arrived."""
SEND_TIME = 15.0
"""Seconds in which a client of an event stream must take what was sent."""

_encode = msgspec.json.Encoder().encode


def json_response(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """`value` (a Struct or what msgspec knows) as JSON."""
    return Response(_encode(value), status, headers, media_type="application/json")


def problem(
    status: int, detail: str, *, faults: Sequence[Fault] = (), headers: Mapping[str, str] | None = None
) -> Response:
    """An RFC 9457 problem; `errors` lists the faulty fields."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    if faults:
        body["errors"] = [{"field": fault.field, "detail": fault.detail} for fault in faults]
    return Response(_encode(body), status, headers, media_type=PROBLEM_JSON)


async def body[T](request: Request, decoder: msgspec.json.Decoder[T], *, limit: int = SMALL_BODY) -> T:
    """Read and decode a JSON body, up to `limit` bytes.

    Raises:
        WrongMediaType, BodyTooLarge, BodyTimeout, MalformedRequest: it cannot be read.
        InvalidRequest: it is JSON, and not what is wanted; the field is named.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json" and not (
        media_type.startswith("application/") and media_type.endswith("+json")
    ):
        raise WrongMediaType("Send the body as application/json.")
    try:
        async with asyncio.timeout(BODY_TIME):
            raw = await _read(request, limit)
    except TimeoutError:
        raise BodyTimeout("The body did not arrive in time.", headers={"Connection": "close"}) from None
    except ClientDisconnect:
        raise MalformedRequest("The body ended early.") from None
    return decode(raw, decoder)


async def _read(request: Request, limit: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    announced = request.headers.get("content-length", "")
    too_large = announced.isdecimal() and int(announced[:20]) > limit
    if not (too_large and "expect" in request.headers):  # a client that asked first sends nothing
        async for chunk in request.stream():
            size += len(chunk)
            too_large = too_large or size > limit
            if too_large:
                chunks.clear()
                if size > DRAINED:
                    break
            else:
                chunks.append(chunk)
    if too_large:
        raise BodyTooLarge(f"The body may have {limit} bytes at most.", headers={"Connection": "close"})
    return b"".join(chunks)


def decode[T](raw: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """Decode JSON into what `decoder` is for.

    Raises:
        MalformedRequest: it is not JSON.
        InvalidRequest: a field is wrong; it is named.
    """
    try:
        try:
            return decoder.decode(raw)
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError:
            # Python's own parser also takes lone surrogates, NaN and Infinity: then the field can be named.
            value: T = msgspec.convert(json.loads(raw), decoder.type)
            return value
    except msgspec.ValidationError as error:
        raise InvalidRequest("The request is not valid.", faults=(fault_of(error),)) from None
    except (ValueError, RecursionError):
        raise MalformedRequest("The body is not JSON.") from None


def install(app: FastAPI) -> None:
    """Answer every refusal of this app, its framework's included, with a problem."""
    # Starlette's type wants handlers of every exception, and calls each with its own kind alone.
    app.add_exception_handler(AppError, _app_error)  # type: ignore[arg-type]
    app.add_exception_handler(FieldError, _field_error)  # type: ignore[arg-type]
    app.add_exception_handler(RequestValidationError, _invalid_parameters)  # type: ignore[arg-type]
    app.add_exception_handler(DatabaseUnavailableError, _database_away)  # type: ignore[arg-type]
    app.add_exception_handler(HTTPException, _http_exception)  # type: ignore[arg-type]
    app.add_exception_handler(Exception, _unexpected)


def _app_error(_request: Request, error: AppError) -> Response:
    return problem(error.status, error.detail, faults=error.faults, headers=error.headers)


def _field_error(_request: Request, error: FieldError) -> Response:
    return problem(422, "The request is not valid.", faults=[Fault(error.field, error.detail)])


def _invalid_parameters(_request: Request, error: RequestValidationError) -> Response:
    faults = [Fault(".".join(str(part) for part in one["loc"][1:]), str(one["msg"])) for one in error.errors()]
    return problem(422, "A parameter is not valid.", faults=faults)


def _database_away(_request: Request, error: DatabaseUnavailableError) -> Response:
    log.warning("database is away", reason=str(error))
    seconds = max(1, round(error.retry_after.total_seconds()))
    return problem(503, "The database is away. Try again later.", headers={"Retry-After": str(seconds)})


def _http_exception(request: Request, error: HTTPException) -> Response:
    details = {404: "There is nothing at this address.", 405: "This address does not know this method."}
    headers = {"Allow": _methods(request)} if error.status_code == 405 else error.headers
    return problem(error.status_code, details.get(error.status_code, str(error.detail)), headers=headers)


def _methods(request: Request) -> str:
    """All methods of the address (RFC 9110 section 10.2.1). Starlette names those of the first route that matches."""
    matching = (route for route in request.app.routes if route.matches(request.scope)[0] is not Match.NONE)
    return ", ".join(sorted({method for route in matching for method in getattr(route, "methods", None) or ()}))


def _unexpected(_request: Request, _error: Exception) -> Response:
    # Starlette raises the error again after this, so the log has it; the client learns nothing of the inside.
    return problem(500, "Something went wrong here. It is not the request's fault.")


_REFERENCE = "#/components/schemas/{name}"


def components(*types: Any) -> dict[str, Any]:
    """The JSON Schemas of `types` and of what they consist of, for OpenAPI."""
    return msgspec.json.schema_components(types, ref_template=_REFERENCE)[1]


def documented(request: Any | None = None, responses: Mapping[int, Any] | None = None) -> dict[str, Any]:
    """Keyword arguments of a route that show its body and answers in OpenAPI, since FastAPI does not see them."""
    arguments: dict[str, Any] = {
        "responses": {
            status: {"description": HTTPStatus(status).phrase, "content": _content(type_)}
            for status, type_ in (responses or {}).items()
        }
    }
    if request is not None:
        arguments["openapi_extra"] = {"requestBody": {"required": True, "content": _content(request)}}
    return arguments


def _content(type_: Any) -> dict[str, Any]:
    (schema,), _ = msgspec.json.schema_components([type_], ref_template=_REFERENCE)
    return {"application/json": {"schema": schema}}


class EventStream(Response):
    """Server-sent events (WHATWG HTML, section 9.2), as long as `chunks` gives some and the client is there.

    Empty chunks are not sent: they are the moments in which a client that has gone is noticed.

    A client that does not read is dropped: nothing piles up for it.
    """

    def __init__(
        self, chunks: AsyncGenerator[bytes], *, closed: Callable[[], None], headers: Mapping[str, str] | None = None
    ) -> None:
        usual = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(None, 200, usual | dict(headers or {}), media_type="text/event-stream")
        del self.headers["content-length"]
        self._chunks = chunks
        self._closed = closed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI
        """Run the stream to its end."""
        gone = asyncio.create_task(_disconnected(receive), name="event stream, waiting for the client to go")
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            async for chunk in self._chunks:
                if gone.done():
                    return
                if chunk:
                    async with asyncio.timeout(SEND_TIME):
                        await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except TimeoutError:
            log.info("a live feed's client does not read and is dropped")
        finally:
            gone.cancel()
            await self._chunks.aclose()
            self._closed()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
