"""The document, and the address that answers it."""

from collections.abc import Iterable
from functools import cache
from importlib.metadata import version

import msgspec

from auth_svc.openapi.operations import metadata, operations, scrape
from auth_svc.openapi.parts import Json, schemas
from auth_svc.openapi.signals import transmitter_configuration
from auth_svc.wire import Endpoint, Fixed

_HEADERS = [(b"content-type", b"application/json"), (b"cache-control", b"public, max-age=300")]
_SECURITY: Json = {
    "client_secret_basic": {
        "type": "http",
        "scheme": "basic",
        "description": "Client id and secret, percent-encoded first (RFC 6749, section 2.3.1).",
    },
    "client_certificate": {"type": "mutualTLS", "description": "The client's certificate (RFC 8705)."},
    "access_token": {"type": "http", "scheme": "bearer", "description": "RFC 6750."},
    "bound_access_token": {"type": "http", "scheme": "dpop", "description": "With a proof in `DPoP` (RFC 9449)."},
    "initial_access_token": {"type": "http", "scheme": "bearer", "description": "From the operator (RFC 7591)."},
    "registration_access_token": {"type": "http", "scheme": "bearer", "description": "The client's own (RFC 7592)."},
}
_ABOUT = "The endpoints for programs. Who a client is, its form says unless a header or a certificate does."


def endpoint(issuer: str, *, path: str, grant_types: Iterable[str], metrics: bool) -> Endpoint:
    """Return what answers /openapi.json: the document, written when somebody first asks for it.

    `path` is the issuer's, `grant_types` those of /token; with `metrics` there is /metrics.
    """

    @cache
    def content() -> bytes:
        return msgspec.json.encode(_document(issuer, path=path, grant_types=grant_types, metrics=metrics))

    return Fixed(content, _HEADERS)


def _document(issuer: str, *, path: str, grant_types: Iterable[str], metrics: bool) -> Json:
    """Paths are whole ones, below the host: some of an issuer with a path stand outside of it."""
    table = operations(grant_types)
    paths = {f"{path}{name}": item for name, item in table.items()}
    paths[f"/.well-known/oauth-authorization-server{path}"] = {"get": metadata("getServerMetadata")}
    paths[f"/.well-known/ssf-configuration{path}"] = {"get": transmitter_configuration()}
    if path:
        paths[f"/.well-known/openid-configuration{path}"] = {"get": metadata("getOpenidConfigurationAtRoot")}
        for probe in ("/health", "/ready"):
            operation = table[probe]["get"]
            paths[probe] = {"get": operation | {"operationId": f"{operation['operationId']}AtRoot"}}
    if metrics:
        paths["/metrics"] = {"get": scrape()}
    return {
        "openapi": "3.1.0",
        "info": {"title": "auth-svc", "version": version("auth-svc"), "description": _ABOUT},
        "servers": [{"url": issuer.removesuffix(path)}],
        "paths": paths,
        "components": {"securitySchemes": _SECURITY, "schemas": schemas()},
    }
