"""The table: what each endpoint for programs takes and answers, by its path under the issuer."""

from collections.abc import Iterable

from auth_svc import errors as e
from auth_svc.backchannel_flow import InvalidBindingMessage, UnknownUserId
from auth_svc.logout import AmbiguousSubject, UnknownSubject
from auth_svc.openapi import operators
from auth_svc.openapi.parts import (
    CLIENT,
    CLIENT_ERRORS,
    LINE,
    PROOF,
    SECONDS,
    TEXT,
    TOKEN,
    UNPROVEN,
    URI,
    Json,
    answer,
    body,
    form,
    record,
    refusals,
)
from auth_svc.openapi.signals import signal_operations
from auth_svc.registration import (
    InvalidClientMetadata,
    InvalidRedirectUri,
    InvalidSoftwareStatement,
    UnapprovedSoftwareStatement,
)

_OWN: list[Json] = [{"registration_access_token": []}]
_WHICH: Json = {"name": "client_id", "in": "query", "required": True, "schema": LINE}


def operations(grant_types: Iterable[str]) -> dict[str, Json]:
    """Return the description of each path, by method. `grant_types` are those of /token."""
    return {
        "/token": {"post": _token(grant_types)},
        "/par": {"post": _pushed()},
        "/device_authorization": {"post": _device()},
        "/backchannel_authentication": {"post": _backchannel()},
        "/introspect": {"post": _introspect()},
        "/revoke": {"post": _revoke()},
        "/userinfo": {
            "get": _userinfo("getUserinfo"),
            "post": _userinfo("postUserinfo")
            | {"requestBody": form("access_token", client=False, content_required=False)},
        },
        "/global-token-revocation": {"post": _everywhere()},
        "/admin/revocations": {"post": operators.revocations()},
        "/admin/status": {"get": operators.status()},
        **operators.webhooks(),
        "/client_registration": _registration(),
        **signal_operations(),
        "/health": {"get": _health()},
        "/ready": {"get": _ready()},
        "/.well-known/openid-configuration": {"get": metadata("getOpenidConfiguration")},
        "/jwks": {"get": _jwks()},
        "/openapi.json": {"get": _openapi()},
    }


def _token(grant_types: Iterable[str]) -> Json:
    return {
        "operationId": "issueTokens",
        "tags": ["tokens"],
        "summary": "Exchange a right for tokens (RFC 6749, section 3.2)",
        "security": CLIENT,
        "parameters": [PROOF],
        "requestBody": form(
            "scope resource authorization_details code redirect_uri code_verifier refresh_token device_code auth_req_id"
            " subject_token subject_token_type actor_token actor_token_type requested_token_type audience assertion",
            required="grant_type",
            grant_type={"enum": list(grant_types)},
        ),
        "responses": {
            "200": answer("The tokens.", {"$ref": "#/components/schemas/TokenResponse"}, proven=True),
            **refusals(
                *CLIENT_ERRORS,
                e.UnsupportedGrantType,
                e.UnauthorizedClient,
                e.InvalidGrant,
                e.InvalidScope,
                e.InvalidTarget,
                e.InvalidAuthorizationDetails,
                e.InvalidProof,
                e.UseDpopNonce,
                e.AuthorizationPending,
                e.SlowDown,
                e.AccessDenied,
                e.ExpiredToken,
                proven=True,
            ),
        },
    }


def _pushed() -> Json:
    return {
        "operationId": "pushAuthorizationRequest",
        "tags": ["tokens"],
        "summary": "Take an authorization request from the client itself (RFC 9126)",
        "security": CLIENT,
        "parameters": [PROOF],
        "requestBody": form(
            "response_type redirect_uri scope state code_challenge code_challenge_method resource nonce prompt max_age"
            " acr_values authorization_details claims login_hint id_token_hint response_mode request dpop_jkt display"
            " ui_locales claims_locales",
            required="client_id",
        ),
        "responses": {
            "201": answer("The reference to it.", record(request_uri=URI, expires_in=SECONDS), proven=True),
            **refusals(
                *CLIENT_ERRORS,
                e.UnsupportedResponseType,
                e.UnauthorizedClient,
                e.InvalidScope,
                e.InvalidTarget,
                e.InvalidAuthorizationDetails,
                e.LoginRequired,
                e.UnmetAuthenticationRequirements,
                e.InvalidRequestObject,
                e.RequestUriNotSupported,
                e.RegistrationNotSupported,
                e.InvalidProof,
                e.UseDpopNonce,
                e.TooManyRequests,
                proven=True,
            ),
        },
    }


def _device() -> Json:
    return {
        "operationId": "beginDeviceFlow",
        "tags": ["tokens"],
        "summary": "Begin the device flow (RFC 8628, section 3.1)",
        "security": CLIENT,
        "requestBody": form("resource authorization_details", required="scope"),
        "responses": {
            "200": answer(
                "A code for the device, and one for its person.",
                record(
                    device_code=TEXT,
                    user_code=TEXT,
                    verification_uri=URI,
                    verification_uri_complete=URI,
                    expires_in=SECONDS,
                    interval=SECONDS,
                ),
            ),
            **refusals(
                *CLIENT_ERRORS,
                e.UnauthorizedClient,
                e.InvalidScope,
                e.InvalidTarget,
                e.InvalidAuthorizationDetails,
                e.TooManyRequests,
            ),
        },
    }


def _backchannel() -> Json:
    return {
        "operationId": "askOverTheBackchannel",
        "tags": ["tokens"],
        "summary": "Ask a person who is somewhere else (CIBA Core, section 7)",
        "security": CLIENT,
        "requestBody": form(
            "login_hint id_token_hint binding_message client_notification_token requested_expiry resource"
            " authorization_details",
            required="scope",
        ),
        "responses": {
            "200": answer(
                "The name of the request.",
                record(auth_req_id=TEXT, expires_in=SECONDS, interval=SECONDS, required="auth_req_id expires_in"),
            ),
            **refusals(
                *CLIENT_ERRORS,
                e.UnauthorizedClient,
                e.InvalidScope,
                e.InvalidTarget,
                e.InvalidAuthorizationDetails,
                UnknownUserId,
                InvalidBindingMessage,
                e.TooManyRequests,
            ),
        },
    }


def _introspect() -> Json:
    inactive = record(active={"const": False}) | {"additionalProperties": False}
    return {
        "operationId": "introspect",
        "tags": ["tokens"],
        "summary": "Is this token good right now? (RFC 7662)",
        "security": CLIENT,
        "requestBody": form("token_type_hint", required="token"),
        "responses": {
            "200": answer(
                "What is known of it.",
                {"anyOf": [inactive, {"$ref": "#/components/schemas/Introspection"}]},
                signed="application/token-introspection+jwt",
            ),
            **refusals(*CLIENT_ERRORS),
        },
    }


def _revoke() -> Json:
    return {
        "operationId": "revoke",
        "tags": ["tokens"],
        "summary": "Give back a token (RFC 7009)",
        "security": CLIENT,
        "requestBody": form("token_type_hint", required="token"),
        "responses": {
            "200": answer("It is good no longer, or never was."),
            **refusals(*CLIENT_ERRORS, e.InvalidGrant),
        },
    }


def _userinfo(name: str) -> Json:
    claims: Json = {"type": "object", "properties": {"sub": TEXT}, "required": ["sub"]}
    return {
        "operationId": name,
        "tags": ["people"],
        "summary": "Who the token is about (OpenID Connect Core, section 5.3)",
        "security": [*TOKEN, {}] if name.startswith("post") else TOKEN,
        "parameters": [PROOF],
        "responses": {
            "200": answer("What its scope tells.", claims, proven=True, signed="application/jwt"),
            **refusals(e.InvalidRequest, *UNPROVEN, e.BodyTooLarge, e.TemporarilyUnavailable, proven=True, bare=True),
        },
    }


def _everywhere() -> Json:
    return {
        "operationId": "revokeEverythingOf",
        "tags": ["people"],
        "summary": "End all that a person has (draft-parecki-oauth-global-token-revocation)",
        "security": TOKEN,
        "parameters": [PROOF],
        "requestBody": body("EverythingOf"),
        "responses": {
            "204": answer("It is over.", proven=True),
            **refusals(
                e.InvalidRequest,
                *UNPROVEN,
                e.InsufficientScope,
                UnknownSubject,
                AmbiguousSubject,
                e.BodyTooLarge,
                e.TemporarilyUnavailable,
                proven=True,
                bare=True,
            ),
        },
    }


def _registration() -> Json:
    metadata = (
        InvalidClientMetadata,
        InvalidRedirectUri,
        InvalidSoftwareStatement,
        UnapprovedSoftwareStatement,
        e.BodyTooLarge,
        e.TooManyRequests,
    )
    always = (e.InvalidRequest, e.InvalidToken, e.TemporarilyUnavailable)
    registered = {"$ref": "#/components/schemas/RegisteredClient"}
    return {
        "post": {
            "operationId": "registerClient",
            "tags": ["registration"],
            "summary": "Register a client (RFC 7591)",
            "security": [{"initial_access_token": []}, {}],
            "requestBody": body("ClientMetadata"),
            "responses": {
                "201": answer("What is registered.", registered),
                **refusals(*always, *metadata, (e.AccessDenied, 403)),
            },
        },
        "get": {
            "operationId": "readClient",
            "tags": ["registration"],
            "summary": "What is registered of a client (RFC 7592, section 2.1)",
            "security": _OWN,
            "parameters": [_WHICH],
            "responses": {"200": answer("What is registered.", registered), **refusals(*always)},
        },
        "put": {
            "operationId": "changeClient",
            "tags": ["registration"],
            "summary": "Replace what is registered (RFC 7592, section 2.2)",
            "security": _OWN,
            "parameters": [_WHICH],
            "requestBody": body("ChangedClient"),
            "responses": {"200": answer("What is registered now.", registered), **refusals(*always, *metadata)},
        },
        "delete": {
            "operationId": "deleteClient",
            "tags": ["registration"],
            "summary": "End a registration (RFC 7592, section 2.3)",
            "security": _OWN,
            "parameters": [_WHICH],
            "responses": {"204": answer("It is over."), **refusals(*always)},
        },
    }


def _health() -> Json:
    return {
        "operationId": "health",
        "tags": ["operation"],
        "summary": "Does the process answer?",
        "responses": {"200": answer("It does.", record(status={"const": "ok"}))},
    }


def _ready() -> Json:
    states = record(
        service=TEXT,
        version=TEXT,
        status={"enum": ["ready", "not_ready"]},
        checks={"type": "object"},
        missing={"type": "array", "items": TEXT},
    )
    return {
        "operationId": "ready",
        "tags": ["operation"],
        "summary": "Can it do its work?",
        "responses": {"200": answer("It can.", states), "503": answer("It cannot.", states)},
    }


def metadata(name: str) -> Json:
    """The metadata stand at several addresses."""
    known = record(issuer=URI, authorization_endpoint=URI, token_endpoint=URI, jwks_uri=URI)
    return {
        "operationId": name,
        "tags": ["discovery"],
        "summary": "What clients must know (RFC 8414, OpenID Connect Discovery)",
        "responses": {"200": answer("The metadata.", known, kept=True)},
    }


def scrape() -> Json:
    """The metrics stand at the root alone, where they are on."""
    return {
        "operationId": "getMetrics",
        "tags": ["operation"],
        "summary": "What this process counts and measures, for Prometheus",
        "responses": {"200": {"description": "The metrics.", "content": {"text/plain": {"schema": TEXT}}}},
    }


def _jwks() -> Json:
    key = record(kty=TEXT, kid=TEXT, alg=TEXT, use={"const": "sig"})
    return {
        "operationId": "getKeys",
        "tags": ["discovery"],
        "summary": "The public halves of the signing keys (RFC 7517)",
        "responses": {"200": answer("The keys.", record(keys={"type": "array", "items": key}), kept=True)},
    }


def _openapi() -> Json:
    return {
        "operationId": "getDescription",
        "tags": ["discovery"],
        "summary": "This document",
        "responses": {"200": answer("It.", record(openapi=TEXT, paths={"type": "object"}), kept=True)},
    }
