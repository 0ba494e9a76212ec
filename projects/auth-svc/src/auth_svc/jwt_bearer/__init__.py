"""The JWT bearer grant (RFC 7523 section 2.1): another issuer vouches for a person, and a client gets a token for them.

issuers   who is trusted, and for what: the file that an operator writes
flow      what an assertion must say: rules without I/O
grant     the assertion for an access token, at /token
store     the assertions that were used
"""

from auth_svc.jwt_bearer.grant import JwtBearer
from auth_svc.jwt_bearer.issuers import TrustedIssuer, read_trusted_issuers
from auth_svc.jwt_bearer.store import forget_expired

__all__ = ["JwtBearer", "TrustedIssuer", "forget_expired", "read_trusted_issuers"]
