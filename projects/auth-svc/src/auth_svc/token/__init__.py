"""/token: the pipeline that every grant goes through, and the one mint from which every token comes."""

from auth_svc.token.access import AccessTokens, Traced
from auth_svc.token.client_credentials import ClientCredentials
from auth_svc.token.details import requested_details
from auth_svc.token.endpoint import TokenEndpoint
from auth_svc.token.grant import Actor, Authorized, Grant, Outcome, Refusal
from auth_svc.token.issuer import AccessClaims, TokenIssuer, TokenResponse
from auth_svc.token.presented import PresentedTokens
from auth_svc.token.refresh import Refresh
from auth_svc.token.scope import narrow, parse_scope
from auth_svc.token.store import forget_expired
from auth_svc.wire import Form

__all__ = [
    "AccessClaims",
    "AccessTokens",
    "Actor",
    "Authorized",
    "ClientCredentials",
    "Form",
    "Grant",
    "Outcome",
    "PresentedTokens",
    "Refresh",
    "Refusal",
    "TokenEndpoint",
    "TokenIssuer",
    "TokenResponse",
    "Traced",
    "forget_expired",
    "narrow",
    "parse_scope",
    "requested_details",
]
