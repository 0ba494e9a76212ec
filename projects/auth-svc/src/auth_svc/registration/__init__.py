"""Clients that register themselves (RFC 7591) and look after their registration (RFC 7592): /client_registration.

    flow      what a stranger may register: rules without I/O
    statements what a third party says of a piece of software
    store     initial access tokens, and the tokens that clients manage their registration with
    routes    the endpoint
    ending    the end of a registration
    documents clients that need no registration: their id is the address of what they say of themselves

Who may register is a setting: nobody, who has an initial access token from the operator, or everybody.
"""

from auth_svc.registration.documents import ClientDocuments
from auth_svc.registration.ending import OwnClientError, delete_client
from auth_svc.registration.flow import OPERATORS_ONLY, InvalidClientMetadata, InvalidRedirectUri
from auth_svc.registration.routes import RegistrationEndpoint
from auth_svc.registration.statements import (
    InvalidSoftwareStatement,
    SoftwareStatements,
    UnapprovedSoftwareStatement,
    read_software_issuers,
)
from auth_svc.registration.store import Invitation, add_invitation, forget_expired, invitations, remove_invitation

__all__ = [
    "OPERATORS_ONLY",
    "ClientDocuments",
    "InvalidClientMetadata",
    "InvalidRedirectUri",
    "InvalidSoftwareStatement",
    "Invitation",
    "OwnClientError",
    "RegistrationEndpoint",
    "SoftwareStatements",
    "UnapprovedSoftwareStatement",
    "add_invitation",
    "delete_client",
    "forget_expired",
    "invitations",
    "read_software_issuers",
    "remove_invitation",
]
