"""Grants: what a person let a client do, from consent to revocation, and the family of refresh tokens that renews it.

Where refresh tokens rotate, one is used once and each use gives the next; an old one that comes back means that two
parties hold the family, so all of it ends (RFC 9700 section 4.14). Who rotates is for `clients` to say.
"""

from auth_svc.grants.store import (
    LiveGrant,
    RefreshToken,
    StoredGrant,
    begin,
    bind,
    find_refresh_token,
    forget_expired,
    live_of,
    prolong,
    renew,
    revoke,
    revoke_of_client,
    revoke_of_session,
    revoke_of_user,
    rotate,
)
from auth_svc.grants.terms import NO_TERMS, ClaimsRequest, Confirmation, Terms, from_text, to_text

__all__ = [
    "NO_TERMS",
    "ClaimsRequest",
    "Confirmation",
    "LiveGrant",
    "RefreshToken",
    "StoredGrant",
    "Terms",
    "begin",
    "bind",
    "find_refresh_token",
    "forget_expired",
    "from_text",
    "live_of",
    "prolong",
    "renew",
    "revoke",
    "revoke_of_client",
    "revoke_of_session",
    "revoke_of_user",
    "rotate",
    "to_text",
]
