"""What clients and resource servers find by themselves: RFC 8414 and OpenID Connect Discovery metadata, and /jwks."""

from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import Any

import msgspec

from auth_svc.clients import ASSERTION_ALGORITHMS, FAPI_METHODS, METHODS, TLS_METHODS, fapi2_algorithms
from auth_svc.keys import ALGORITHMS, KeyRing
from auth_svc.proofs import PROOF_ALGORITHMS
from auth_svc.protocol import RESPONSE_MODES, prompts
from auth_svc.resources import Catalogue, Resources
from auth_svc.signin import ACR_VALUES
from auth_svc.users import CLAIMS
from auth_svc.wire import Endpoint, Fixed

_BY_CERTIFICATE = (
    "token_endpoint",
    "pushed_authorization_request_endpoint",
    "introspection_endpoint",
    "revocation_endpoint",
    "device_authorization_endpoint",
    "backchannel_authentication_endpoint",
    "userinfo_endpoint",
)
"""Endpoints that clients call themselves, and to which their certificates matter (RFC 8705 section 5)."""
_HEADERS = [(b"content-type", b"application/json"), (b"cache-control", b"public, max-age=300")]


def metadata(
    issuer: str,
    *,
    grant_types: Iterable[str],
    push_required: bool,
    fapi2: bool = False,
    registering: bool = False,
    tls_methods: Collection[str] = (),
    mtls_url: str = "",
    documents: bool = False,
    accounts_open: bool = False,
) -> dict[str, object]:
    """Build the document, the same for both well-known addresses.

    `fapi2`: the rules for all clients are FAPI 2.0's. `tls_methods`: those that can work here (RFC 8705). `mtls_url`:
    where clients are asked for their certificates, if that is another address. `accounts_open`: people may register by
    themselves.
    """
    methods = [method for method in METHODS if method in tls_methods or method not in TLS_METHODS]
    document: dict[str, Any] = {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "pushed_authorization_request_endpoint": f"{issuer}/par",
        "require_pushed_authorization_requests": push_required,
        "introspection_endpoint": f"{issuer}/introspect",
        "revocation_endpoint": f"{issuer}/revoke",
        "device_authorization_endpoint": f"{issuer}/device_authorization",
        "userinfo_endpoint": f"{issuer}/userinfo",
        "end_session_endpoint": f"{issuer}/logout",
        "global_token_revocation_endpoint": f"{issuer}/global-token-revocation",
        "frontchannel_logout_supported": True,
        "frontchannel_logout_session_supported": True,
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
        "jwks_uri": f"{issuer}/jwks",
        "response_types_supported": ["code"],
        "response_modes_supported": list(RESPONSE_MODES),
        "authorization_signing_alg_values_supported": list(ALGORITHMS),
        "grant_types_supported": list(grant_types),
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "token_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_methods_supported": methods,
        "introspection_endpoint_auth_methods_supported": [method for method in methods if method != "none"],
        "tls_client_certificate_bound_access_tokens": bool(tls_methods),
        "token_endpoint_auth_signing_alg_values_supported": list(ASSERTION_ALGORITHMS),
        "revocation_endpoint_auth_signing_alg_values_supported": list(ASSERTION_ALGORITHMS),
        "introspection_endpoint_auth_signing_alg_values_supported": list(ASSERTION_ALGORITHMS),
        "subject_types_supported": ["public", "pairwise"],
        "id_token_signing_alg_values_supported": list(ALGORITHMS),
        "userinfo_signing_alg_values_supported": list(ALGORITHMS),
        "introspection_signing_alg_values_supported": list(ALGORITHMS),
        "dpop_signing_alg_values_supported": list(PROOF_ALGORITHMS),
        "claim_types_supported": ["normal"],
        "claims_supported": [
            "iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "sid", "at_hash",
            *(name for names in CLAIMS.values() for name in names),
        ],
        "prompt_values_supported": list(prompts(accounts_open=accounts_open)),
        "request_parameter_supported": True,
        "request_object_signing_alg_values_supported": list(ASSERTION_ALGORITHMS),
        "request_uri_parameter_supported": False,
        "claims_parameter_supported": True,
        "acr_values_supported": list(ACR_VALUES),
        "backchannel_authentication_endpoint": f"{issuer}/backchannel_authentication",
        "backchannel_token_delivery_modes_supported": ["poll", "ping", "push"],
        "backchannel_user_code_parameter_supported": False,
    }  # fmt: skip
    if mtls_url:
        document["mtls_endpoint_aliases"] = {
            name: str(document[name]).replace(issuer, mtls_url, 1) for name in _BY_CERTIFICATE
        }
    if documents:
        document["client_id_metadata_document_supported"] = True
    if registering:
        document["registration_endpoint"] = f"{issuer}/client_registration"
    return document | _fapi2(document) if fapi2 else document


def _fapi2(document: dict[str, Any]) -> dict[str, object]:
    """What of the document is otherwise under FAPI 2.0 (sections 5.3.2.1, 5.3.2.2 and 5.4.1).

    Resource servers that introspect may go on to prove who they are by a secret: they are no clients in its sense.
    """
    algorithms = {
        name: fapi2_algorithms(values) for name, values in document.items() if name.endswith("_alg_values_supported")
    }
    offered = document["token_endpoint_auth_methods_supported"]
    methods = [method for method in offered if method in FAPI_METHODS]
    return algorithms | {
        "token_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_methods_supported": methods,
        "require_pushed_authorization_requests": True,
    }


def endpoints(document: dict[str, object], keys: KeyRing, resources: Resources, *, path: str) -> dict[str, Endpoint]:
    """Return the addresses that answer it, with the scopes and resources that there are; `path` is the issuer's.

    RFC 8414 section 3.1 puts the well-known part before the issuer's path, and says in section 5 that clients may do so
    with OpenID's name as well; OpenID Connect Discovery section 4.1 puts it behind.
    """

    @lru_cache(maxsize=1)
    def build(catalogue: Catalogue) -> bytes:
        known = {
            "scopes_supported": list(catalogue.scopes),
            "protected_resources": [resource.identifier for resource in catalogue.resources],
        }
        if catalogue.detail_types:  # an empty array would have to be left out (RFC 8414 section 3.2)
            known["authorization_details_types_supported"] = list(catalogue.detail_types)
        return msgspec.json.encode(document | known)

    well_known = Fixed(lambda: build(resources.catalogue), _HEADERS)
    return {
        f"/.well-known/oauth-authorization-server{path}": well_known,
        f"/.well-known/openid-configuration{path}": well_known,
        f"{path}/.well-known/openid-configuration": well_known,
        f"{path}/jwks": Fixed(lambda: keys.jwks, _HEADERS),
    }
