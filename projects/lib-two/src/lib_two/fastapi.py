"""The guard in FastAPI: `require("shipments:read")` as a dependency; challenges of RFC 6750, 9449, 9470, 9728.

install(app, guard, resource=…, issuer=…, scopes=(…))

@app.get("/shipments")
async def shipments(principal: Annotated[Principal, Depends(require("shipments:read"))]) -> …
"""

import math
import re
from datetime import timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlsplit

import fastapi
from fastapi.openapi.models import HTTPBearer
from fastapi.responses import JSONResponse
from fastapi.security.base import SecurityBase
from starlette.requests import HTTPConnection

from lib_one.client_certificate import client_certificate
from lib_one.observe import get_logger
from lib_two.errors import (
    CannotKnow,
    InsufficientAuthentication,
    InsufficientScope,
    MalformedRequest,
    MissingToken,
    NonceNeeded,
    Refused,
)
from lib_two.guard import ASK, Guard, InDoubt, Principal
from lib_two.possession import PROOF_ALGORITHMS, Shown

log = get_logger(__name__)

_TOKEN = re.compile(r"(bearer|dpop) +([A-Za-z0-9\-._~+/]+=*) *", re.IGNORECASE)
SHORTEST_MAX_AGE = timedelta(minutes=1)
_SCHEMES = ("bearer", "dpop")
_WELL_KNOWN = "/.well-known/oauth-protected-resource"


class Require(SecurityBase):
    """A dependency that lets a request in when its token has all of `scopes`. Made by `require`."""

    def __init__(
        self,
        scopes: tuple[str, ...],
        *,
        max_age: timedelta | None = None,
        acr_values: tuple[str, ...] = (),
        in_doubt: InDoubt = ASK,
    ) -> None:
        self.scopes = scopes
        self.max_age = max_age
        self.acr_values = acr_values
        self.in_doubt = in_doubt
        self.model = HTTPBearer(bearerFormat="JWT", description="An access token (RFC 6750)")
        self.scheme_name = "access_token"

    async def __call__(self, request: fastapi.Request) -> Principal:
        """The principal, or a `Refused` for the error handler of `install`."""
        guard: Guard = request.app.state.guard
        try:
            principal = await guard.check(shown_token(request), in_doubt=self.in_doubt)
            if not principal.scopes.issuperset(self.scopes):
                raise InsufficientScope(self.scopes)
            if self.max_age is not None or self.acr_values:
                guard.check_sign_in(principal, max_age=self.max_age, acr_values=self.acr_values)
        except Refused:
            request.state.required_scopes = self.scopes
            raise
        return principal


def require(
    *scopes: str,
    max_age: timedelta | None = None,
    acr_values: tuple[str, ...] = (),
    in_doubt: InDoubt = ASK,
) -> Require:
    """A FastAPI dependency giving the `Principal` of the request, which has all of `scopes`.

    Args:
        scopes: What the token must allow.
        max_age: The person must have signed in so recently (RFC 9470): whole seconds, a minute at least.
        acr_values: Authentication contexts, in one of which the person must have signed in.
        in_doubt: What becomes of a request while nobody can know whether its token was revoked: `guard.ASK`,
            `guard.REFUSE`, or `guard.accept_within(…)`.

    Raises:
        ValueError: a `max_age` that people can hardly meet on their way back from the sign-in: they would run in
            circles.
    """
    if max_age is not None and (max_age < SHORTEST_MAX_AGE or max_age % timedelta(seconds=1)):
        raise ValueError("max_age must be whole seconds, and a minute at least")
    return Require(scopes, max_age=max_age, acr_values=acr_values, in_doubt=in_doubt)


def shown_token(request: HTTPConnection) -> Shown:
    """The token in the `Authorization` header, the one way in which it is taken (OAuth 2.1 section 5.1).

    Raises:
        MissingToken: there is none. One in the query alone is ignored: addresses end up in logs.
        MalformedRequest: there are several headers, a header and a query parameter, or it is not one token.
    """
    headers = request.headers.getlist("authorization")
    if len(headers) > 1:
        raise MalformedRequest("There is more than one Authorization header.")
    if not headers or headers[0].partition(" ")[0].lower() not in _SCHEMES:
        raise MissingToken
    if "access_token" in request.query_params:
        raise MalformedRequest("The access token was sent in more than one way.")
    match = _TOKEN.fullmatch(headers[0])
    if match is None:
        raise MalformedRequest("The Authorization header is not `Bearer` or `DPoP` and one token.")
    scheme = match[1].lower()
    certificate = client_certificate(request.scope)
    der = None if certificate is None else certificate.der
    if scheme == "bearer":
        return Shown(token=match[2], certificate=der)
    path: bytes = request.scope.get("raw_path") or quote(request.scope["path"]).encode()
    return Shown(
        token=match[2],
        scheme=scheme,
        method=request.scope["method"],
        path=path.decode("latin-1"),
        proofs=tuple(request.headers.getlist("dpop")),
        certificate=der,
    )


def install(
    app: fastapi.FastAPI, guard: Guard, *, resource: str, issuer: str, scopes: tuple[str, ...], name: str | None = None
) -> None:
    """Give `app` its guard, the error answers, and its metadata as a protected resource (RFC 9728).

    Args:
        app: The application.
        guard: Found by `require` in `app.state.guard`.
        resource: Our resource identifier: a URL without a trailing slash.
        issuer: The authorization server.
        scopes: All scopes that mean something here.
        name: What people may be shown as our name.
    """
    parts = urlsplit(resource)
    path = _WELL_KNOWN + parts.path.rstrip("/")  # RFC 9728 section 3.1: inserted before the resource's own path
    metadata_url = f"{parts.scheme}://{parts.netloc}{path}"
    document: dict[str, Any] = {
        "resource": resource,
        "authorization_servers": [issuer],
        "bearer_methods_supported": ["header"],
        "dpop_signing_alg_values_supported": list(PROOF_ALGORITHMS),
    }
    if scopes:  # section 3.2: nothing is said by an empty array
        document["scopes_supported"] = list(scopes)
    if name is not None:
        document["resource_name"] = name
    app.state.guard = guard

    async def metadata() -> JSONResponse:
        # Clients that are web pages begin here as well, and there is nothing to hide.
        return JSONResponse(
            document, headers={"Cache-Control": "public, max-age=300", "Access-Control-Allow-Origin": "*"}
        )

    async def refuse(request: fastapi.Request, error: Exception) -> JSONResponse:
        assert isinstance(error, Refused)  # noqa: S101 - the handler is registered for it alone
        needed = error.scopes if isinstance(error, InsufficientScope) else getattr(request.state, "required_scopes", ())
        if not isinstance(error, MissingToken):  # that is how every conversation may begin
            log.info("request refused", path=request.url.path, status=error.status, detail=error.detail)
        scheme = request.headers.get("authorization", "").partition(" ")[0].lower()
        return refusal(error, resource=resource, metadata_url=metadata_url, scopes=needed, bound=scheme == "dpop")

    app.add_api_route(path, metadata, methods=["GET"], include_in_schema=False)
    app.add_exception_handler(Refused, refuse)


def sign_in_wanted(error: InsufficientAuthentication) -> dict[str, str]:
    """The parameters of a challenge that say which sign-in would do (RFC 9470 section 3)."""
    wanted = {}
    if error.acr_values:
        wanted["acr_values"] = " ".join(error.acr_values)
    if error.max_age is not None:
        wanted["max_age"] = str(int(error.max_age.total_seconds()))
    return wanted


def refusal(
    error: Refused, *, resource: str, metadata_url: str, scopes: tuple[str, ...], bound: bool = False
) -> JSONResponse:
    """The answer to a refused request: status, challenges (RFC 6750 section 3) and problem details (RFC 9457).

    `bound`: it came with the scheme `DPoP`, so the challenge has that (RFC 9449 section 7.1). Without any token both
    are offered.
    """
    status = HTTPStatus(error.status)
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": status.phrase,
        "status": error.status,
        "detail": error.description,
    }
    headers = {"Cache-Control": "no-store"}
    challenges: list[str] = []
    if isinstance(error, CannotKnow):
        headers["Retry-After"] = str(math.ceil(error.retry_after.total_seconds()))
    else:
        challenge = {"realm": resource}
        if error.code is not None:
            body["error"] = error.code
            challenge |= {"error": error.code, "error_description": error.description}
        if scopes and error.status != HTTPStatus.BAD_REQUEST:
            challenge["scope"] = " ".join(scopes)
        if isinstance(error, InsufficientAuthentication):
            challenge |= sign_in_wanted(error)
        challenge["resource_metadata"] = metadata_url
        if not bound:
            challenges.append(_challenge("Bearer", challenge))
        if bound or isinstance(error, MissingToken):
            challenges.append(_challenge("DPoP", challenge | {"algs": " ".join(PROOF_ALGORITHMS)}))
    if isinstance(error, NonceNeeded):
        headers["DPoP-Nonce"] = error.nonce
    answer = JSONResponse(body, status_code=error.status, headers=headers, media_type="application/problem+json")
    for text in challenges:
        answer.headers.append("WWW-Authenticate", text)
    return answer


def _challenge(scheme: str, parameters: dict[str, str]) -> str:
    return f"{scheme} " + ", ".join(f'{name}="{value}"' for name, value in parameters.items())
