"""Clients: the applications that may ask for tokens.

`registration` adds and changes them, `authentication` proves who asks, `redirects` compares redirect URIs, `store`
keeps them.
"""

from auth_svc.clients.authentication import CONFIDENTIAL_METHODS, METHODS, ClientAuthentication
from auth_svc.clients.metadata import ClientMetadata
from auth_svc.clients.redirects import redirect_uri_matches
from auth_svc.clients.registration import (
    FIRST_PARTY,
    ClientRegistration,
    NewClient,
    RegistrationError,
    new_secret,
)
from auth_svc.clients.store import Client, Clients, disable, enable, everyone, find

__all__ = [
    "CONFIDENTIAL_METHODS",
    "FIRST_PARTY",
    "METHODS",
    "Client",
    "ClientAuthentication",
    "ClientMetadata",
    "ClientRegistration",
    "Clients",
    "NewClient",
    "RegistrationError",
    "disable",
    "enable",
    "everyone",
    "find",
    "new_secret",
    "redirect_uri_matches",
]
