"""Revocation: what was issued and is no longer good, told to every resource server at once.

`verbs` has what other slices do (revoke a token, a grant, a session, a subject, a client), `routes` is /revoke
(RFC 7009), `store` remembers each revocation until the last token that it concerns has expired, `flow` tells a token
from those that were issued before.
"""

from auth_svc.revocation.flow import TooSoonError, check_told_apart, until_told_apart
from auth_svc.revocation.store import forget_expired, is_revoked
from auth_svc.revocation.verbs import Revocation

__all__ = ["Revocation", "TooSoonError", "check_told_apart", "forget_expired", "is_revoked", "until_told_apart"]
