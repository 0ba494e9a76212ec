"""Clients: the applications that may ask for tokens.

`registration` adds and changes them, `authentication` proves who asks, by `assertions` with `client_keys` as well,
`secrets` keeps what they share with us, `redirects` compares redirect URIs, `store` keeps them.
"""

from auth_svc.clients.assertions import ASSERTION_ALGORITHMS, PRIVATE_KEY_JWT, Assertions
from auth_svc.clients.authentication import CONFIDENTIAL_METHODS, FAPI_METHODS, METHODS, ClientAuthentication
from auth_svc.clients.certificates import TLS_METHODS, shown_certificate, tls_methods
from auth_svc.clients.client_keys import ClientKeys, freshness
from auth_svc.clients.fapi2 import fapi2_algorithms
from auth_svc.clients.metadata import ClientMetadata
from auth_svc.clients.problem import Problem
from auth_svc.clients.redirects import is_document_id, redirect_uri_matches, redirect_uri_problem
from auth_svc.clients.registration import (
    FIRST_PARTY,
    ClientRegistration,
    NewClient,
    RegistrationError,
    new_secret,
)
from auth_svc.clients.secrets import ClientSecrets, Secret, TooManySecretsError
from auth_svc.clients.sectors import fetched_sector_problem, sector_of
from auth_svc.clients.store import (
    UNSEEN_FOR,
    Client,
    Clients,
    delete,
    disable,
    enable,
    everyone,
    find,
    forget_expired,
    revoke,
)

__all__ = [
    "ASSERTION_ALGORITHMS",
    "CONFIDENTIAL_METHODS",
    "FAPI_METHODS",
    "FIRST_PARTY",
    "METHODS",
    "PRIVATE_KEY_JWT",
    "TLS_METHODS",
    "UNSEEN_FOR",
    "Assertions",
    "Client",
    "ClientAuthentication",
    "ClientKeys",
    "ClientMetadata",
    "ClientRegistration",
    "ClientSecrets",
    "Clients",
    "NewClient",
    "Problem",
    "RegistrationError",
    "Secret",
    "TooManySecretsError",
    "delete",
    "disable",
    "enable",
    "everyone",
    "fapi2_algorithms",
    "fetched_sector_problem",
    "find",
    "forget_expired",
    "freshness",
    "is_document_id",
    "new_secret",
    "redirect_uri_matches",
    "redirect_uri_problem",
    "revoke",
    "sector_of",
    "shown_certificate",
    "tls_methods",
]
