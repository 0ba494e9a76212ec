"""/admin/webhooks…: an operator's webhooks for what happens here. The machinery is `lib_one.webhooks`."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

import msgspec

from auth_svc.errors import InsufficientScope, InvalidRequest, OAuthError
from auth_svc.protocol import ADMIN
from auth_svc.token import AccessClaims, PresentedTokens
from auth_svc.wire import NO_STORE, Endpoint, Form, Request, Response, error_response, json_response
from lib_one.contracts import auth, keys, revocation, signals
from lib_one.contracts.revocation import RevocationHeartbeat
from lib_one.observe import get_logger
from lib_one.webhooks import (
    DeliveryState,
    Desk,
    RedeliveryWanted,
    SecretWanted,
    UnknownWebhookError,
    WebhookChange,
    WebhookError,
    WebhookWanted,
    facts_of,
)

FACTS: Final = tuple(fact for fact in facts_of(auth, keys, revocation, signals) if fact is not RevocationHeartbeat)
"""What an endpoint can want."""

_log = get_logger(__name__)

type _Respond = Callable[[Request, Form], Awaitable[Response]]


class InvalidWebhook(InvalidRequest):
    """What is asked of a webhook cannot be."""

    description = "The webhook cannot be so."

    @property
    def told(self) -> str:
        """Why: the words are ours, and quote nothing."""
        return self.detail


class UnknownWebhook(OAuthError):  # noqa: N818 - errors have the RFC's names
    """There is no such webhook, or it has no such delivery."""

    code = "unknown_webhook"
    status = 404
    description = "There is no such webhook, or it has no such delivery."


class _Page(msgspec.Struct, frozen=True):
    """The query of the log."""

    state: DeliveryState | None = None
    delivery_id: str | None = None
    before: str | None = None
    limit: int = 50


class WebhookEndpoints:
    """The addresses. The order of checks: the token, its scope, the query, the body."""

    def __init__(self, presented: PresentedTokens, desk: Desk, *, issuer: str) -> None:
        self._presented = presented
        self._desk = desk
        self._issuer = issuer
        handlers: dict[str, dict[str, _Respond]] = {
            "/admin/webhooks": {
                "POST": self._create,
                "GET": self._show,
                "PATCH": self._change,
                "DELETE": self._remove,
            },
            "/admin/webhooks/secret": {"POST": self._rotate},
            "/admin/webhooks/test": {"POST": self._test},
            "/admin/webhooks/deliveries": {"GET": self._log, "POST": self._redeliver},
        }
        self.endpoints = {
            path: Endpoint({method: partial(self._answer, path, respond) for method, respond in by_method.items()})
            for path, by_method in handlers.items()
        }
        """By path under the issuer."""

    async def _answer(self, path: str, respond: _Respond, request: Request) -> Response:
        async def authorized(claims: AccessClaims) -> Response:
            if ADMIN not in claims.scopes:
                raise InsufficientScope
            try:
                query = request.query()
                answer = await respond(request, query)
            except OAuthError as error:
                return error_response(error)  # the token was good: no challenge
            except UnknownWebhookError:
                return error_response(UnknownWebhook())
            except WebhookError as error:
                return error_response(InvalidWebhook(str(error)))
            if request.method not in {"GET", "HEAD"}:
                _log.info("webhooks: asked by an operator", path=path, method=request.method, by=claims.sub)
            return answer

        return await self._presented.answer(request, authorized, uri=f"{self._issuer}{path}")

    async def _create(self, request: Request, _query: Form) -> Response:
        return json_response(await self._desk.create(await _body(request, WebhookWanted)), status=201)

    async def _show(self, _request: Request, query: Form) -> Response:
        found = await self._desk.find(query["id"]) if "id" in query else await self._desk.everything()
        return json_response(found)

    async def _change(self, request: Request, query: Form) -> Response:
        return json_response(await self._desk.change(_id(query), await _body(request, WebhookChange)))

    async def _remove(self, _request: Request, query: Form) -> Response:
        await self._desk.remove(_id(query))
        return Response(204, NO_STORE, b"")

    async def _rotate(self, request: Request, query: Form) -> Response:
        return json_response(await self._desk.rotate(_id(query), await _body(request, SecretWanted)))

    async def _test(self, _request: Request, query: Form) -> Response:
        return json_response(await self._desk.test(_id(query)), status=202)

    async def _log(self, _request: Request, query: Form) -> Response:
        try:
            page = msgspec.convert(dict(query), _Page, strict=False)
        except msgspec.ValidationError as error:
            raise InvalidRequest(str(error)) from error
        if not 1 <= page.limit <= 100:
            raise InvalidRequest("limit")
        found = await self._desk.log(
            _id(query), state=page.state, delivery_id=page.delivery_id, before=page.before, limit=page.limit
        )
        return json_response(found)

    async def _redeliver(self, request: Request, query: Form) -> Response:
        wanted = await _body(request, RedeliveryWanted)
        return json_response(await self._desk.redeliver(_id(query), wanted), status=202)


def _id(query: Form) -> str:
    if "id" not in query:
        raise InvalidRequest("no id")
    return query["id"]


async def _body[T](request: Request, kind: type[T]) -> T:
    try:
        value: Any = msgspec.json.decode(await request.body() or b"{}", type=kind)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(str(error)) from error
    return value  # type: ignore[no-any-return]
