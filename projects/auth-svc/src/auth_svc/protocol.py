"""The vocabulary: words of the RFCs that more than one slice uses, and the table of who may grant what."""

from collections.abc import Iterable
from typing import Final

AUTHORIZATION_CODE: Final = "authorization_code"
REFRESH_TOKEN: Final = "refresh_token"
CLIENT_CREDENTIALS: Final = "client_credentials"
DEVICE_CODE: Final = "urn:ietf:params:oauth:grant-type:device_code"
TOKEN_EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"

ACCESS_TOKEN_TYPE: Final = "urn:ietf:params:oauth:token-type:access_token"
"""What token exchange calls an access token (RFC 8693 section 3)."""

BEARER: Final = "Bearer"
"""The token type of RFC 6750."""
DPOP: Final = "DPoP"
"""The token type of RFC 9449."""

OPENID: Final = "openid"
OFFLINE_ACCESS: Final = "offline_access"
IDENTITY_SCOPES: Final = ("openid", "profile", "email", "offline_access")
"""Everybody may grant these: they are about the person, or about how long a grant lives."""
SHIPMENT_SCOPES: Final = ("shipments:read", "shipments:write", "shipments:scan")
SCOPES: Final = (*IDENTITY_SCOPES, *SHIPMENT_SCOPES)
"""Every scope there is, in the order in which metadata and pages list them."""

ROLES: Final[dict[str, tuple[str, ...]]] = {
    "employee": ("shipments:read",),
    "clerk": ("shipments:read", "shipments:write", "shipments:scan"),
    "driver": ("shipments:read", "shipments:scan"),
    "operator": ("shipments:read", "shipments:write", "shipments:scan"),
}
"""Which scopes a role lets a person grant, beside `IDENTITY_SCOPES`."""


def scopes_for(roles: Iterable[str]) -> frozenset[str]:
    """Return the scopes that a person with these roles may grant. A role that is not in the table adds nothing."""
    return frozenset(IDENTITY_SCOPES).union(*(ROLES.get(role, ()) for role in roles))
