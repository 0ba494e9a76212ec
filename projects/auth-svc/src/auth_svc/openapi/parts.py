"""What descriptions of endpoints are made of. Schemas come from the types that are sent, errors from their classes."""

from collections.abc import Iterable
from typing import Any

import msgspec

from auth_svc.admin import Revocable, RevocationReport, SystemStatus
from auth_svc.clients import ClientMetadata
from auth_svc.errors import (
    BodyTooLarge,
    InvalidClient,
    InvalidProof,
    InvalidRequest,
    InvalidToken,
    OAuthError,
    TemporarilyUnavailable,
    UseDpopNonce,
)
from auth_svc.introspection import Introspection
from auth_svc.logout import EverythingOf
from auth_svc.registration import OPERATORS_ONLY
from auth_svc.signals import BODIES
from auth_svc.token import TokenResponse
from lib_one import webhooks

type Json = dict[str, Any]
type Refusal = type[OAuthError] | tuple[type[OAuthError], int]
"""An error, with its status where that is another than usual."""

TEXT: Json = {"type": "string"}
LINE: Json = {"type": "string", "pattern": r"^[^\x00-\x1f\x7f]*$"}
"""What a form or an address may carry: no control characters."""
URI: Json = {"type": "string", "format": "uri"}
SECONDS: Json = {"type": "integer", "minimum": 0}
PROOF: Json = {
    "name": "DPoP",
    "in": "header",
    "description": "A proof of possession (RFC 9449).",
    "schema": TEXT,
}
CLIENT: list[Json] = [{"client_secret_basic": []}, {"client_certificate": []}, {}]
"""Clients that need no header show who they are in the form: that is the last of the three."""
CLIENT_ERRORS = (InvalidRequest, InvalidClient, BodyTooLarge, TemporarilyUnavailable)
"""Of every endpoint that takes a form from a client."""

TOKEN: list[Json] = [{"access_token": []}, {"bound_access_token": []}]
UNPROVEN: tuple[Refusal, ...] = (InvalidToken, (InvalidProof, 401), (UseDpopNonce, 401))
"""Of every endpoint that wants an access token."""

_NO_STORE: Json = {"Cache-Control": {"required": True, "schema": {"const": "no-store"}}}
_NONCE: Json = {"DPoP-Nonce": {"description": "What the next proof repeats.", "schema": TEXT}}
_RETRY: Json = {"Retry-After": {"required": True, "schema": SECONDS}}
_CHALLENGE: Json = {"WWW-Authenticate": {"required": True, "schema": TEXT}}
_SAID = {
    400: "The request is refused",
    401: "Nobody has shown who they are, or what was shown is no good",
    403: "Not for this caller",
    404: "Not found",
    409: "There is one already",
    413: "The body is too large",
    422: "Not clear who is meant",
    429: "Too many requests",
    503: "The server is busy, or the database is away",
}
_REFERENCE = "#/components/schemas/{name}"
_PARAMETERS: dict[str, Json] = {
    "resource": {"type": "array", "items": URI, "description": "Resource servers; repeatable (RFC 8707)."},
    "client_assertion_type": {"const": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
    "redirect_uri": URI,
    "max_age": {"type": "string", "pattern": "^[0-9]{1,10}$"},
    "requested_expiry": {"type": "string", "pattern": "^[0-9]{1,10}$"},
    "authorization_details": {"type": "string", "contentMediaType": "application/json"},
    "claims": {"type": "string", "contentMediaType": "application/json"},
}
_CLIENT_FORM = "client_id client_secret client_assertion client_assertion_type"


def form(
    names: str, *, required: str = "", client: bool = True, content_required: bool = True, **special: Json
) -> Json:
    """Describe a form; names are separated by spaces. With `client`, its sender shows there who it is."""
    known = _PARAMETERS | special
    every = [*required.split(), *names.split(), *(_CLIENT_FORM.split() if client else ())]
    schema: Json = {"type": "object", "properties": {name: known.get(name, LINE) for name in every}}
    if required:
        schema["required"] = required.split()
    return {"required": content_required, "content": {"application/x-www-form-urlencoded": {"schema": schema}}}


def body(name: str) -> Json:
    """Describe a JSON body of the type with this name."""
    return {"required": True, "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}}


def record(*, required: str = "", **members: Json) -> Json:
    """Describe a JSON object. Without `required`, every member is always there."""
    return {"type": "object", "properties": members, "required": required.split() or list(members)}


def answer(
    said: str, schema: Json | None = None, *, kept: bool = False, proven: bool = False, signed: str | None = None
) -> Json:
    """Describe a good answer.

    `kept`: caches may keep it. `proven`: the request may have had a DPoP proof. `signed`: the media type of the same
    answer as a JWT.
    """
    described: Json = {"description": said}
    headers = ({} if kept else _NO_STORE) | (_NONCE if proven else {})
    if headers:
        described["headers"] = headers
    if schema is not None:
        described["content"] = {"application/json": {"schema": schema}}
        if signed is not None:
            described["content"][signed] = {"schema": TEXT}
    return described


def refusals(*errors: Refusal, proven: bool = False, bare: bool = False) -> Json:
    """Describe what errors look like, by status.

    `proven`: the nonce for the next DPoP proof may come along. `bare`: a 401 may have no body, since who showed no
    token is only told that one is needed (RFC 6750 section 3.1).
    """
    described: Json = {}
    known = [error if isinstance(error, tuple) else (error, error.status) for error in errors]
    for status in sorted({status for _, status in known}):
        codes = sorted({error.code for error, its in known if its == status})
        schema = {"allOf": [{"$ref": "#/components/schemas/Error"}, {"properties": {"error": {"enum": codes}}}]}
        one: Json = {"description": f"{_SAID[status]}: {', '.join(f'`{code}`' for code in codes)}."}
        one["headers"] = _NO_STORE | (_NONCE if proven and status in (400, 401) else {})
        if status == 401:
            one["headers"] |= _CHALLENGE
        if status in (429, 503):
            one["headers"] |= _RETRY
        if not (bare and status == 401):
            one["content"] = {"application/json": {"schema": schema}}
        described[str(status)] = one
    return described


def schemas() -> Json:
    """The schemas that descriptions refer to."""
    types = [
        TokenResponse,
        Introspection,
        ClientMetadata,
        EverythingOf,
        Revocable,
        RevocationReport,
        SystemStatus,
        *BODIES,
        *webhooks.BODIES,
    ]
    _, components = msgspec.json.schema_components(types, ref_template=_REFERENCE)
    found: Json = {name: _without_null(schema) for name, schema in components.items()}
    for name in OPERATORS_ONLY:
        found["ClientMetadata"]["properties"].pop(name, None)
    found["Error"] = record(error=TEXT, error_description=TEXT)
    found["RegisteredClient"] = {
        "allOf": [
            {"$ref": "#/components/schemas/ClientMetadata"},
            record(
                client_id=TEXT,
                client_id_issued_at=SECONDS,
                registration_access_token=TEXT,
                registration_client_uri=URI,
                client_secret=TEXT,
                client_secret_expires_at=SECONDS,
                required="client_id client_id_issued_at registration_access_token registration_client_uri",
            ),
        ]
    }
    found["Stream"] = record(
        stream_id=TEXT,
        iss=URI,
        aud=TEXT,
        events_supported={"type": "array", "items": URI},
        events_requested={"type": "array", "items": TEXT},
        events_delivered={"type": "array", "items": URI},
        delivery=record(method=TEXT, endpoint_url=URI),
        description=TEXT,
        min_verification_interval=SECONDS,
        required="stream_id iss aud events_supported events_delivered delivery min_verification_interval",
    )
    found["ChangedClient"] = {
        "allOf": [
            {"$ref": "#/components/schemas/ClientMetadata"},
            record(client_id=TEXT, client_secret=TEXT, required="client_id"),
        ]
    }
    return found


def _without_null(schema: Any) -> Any:
    """What is None here is absent there, in what we send and in what we take."""
    if isinstance(schema, list | tuple):
        return [_without_null(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {name: _without_null(value) for name, value in schema.items() if not (name == "default" and value is None)}
    choices: Iterable[Any] = plain.get("anyOf", ())
    left = [choice for choice in choices if choice != {"type": "null"}]
    if len(left) == 1:
        del plain["anyOf"]
        return plain | left[0]
    return plain | ({"anyOf": left} if left else {})
