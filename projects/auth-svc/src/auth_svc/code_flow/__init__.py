"""The authorization code flow (OAuth 2.1 section 4.1, PKCE RFC 7636, OIDC Core section 3.1).

flow      the law of /authorize and /par: what may be asked, without I/O
claims    the parameter `claims` (OIDC Core section 5.5)
request   what a request is, and the way back
steps     who must be asked
reading   parameters, from wherever they come, to a checked request
pushed    /par (RFC 9126)
request_object  parameters that the client signed (RFC 9101)
kept      a request while its person decides
routes    /authorize and the consent page
answer    what goes back to the client
code      what a code is good for
grant     the code for tokens, at /token
store     codes, pushed requests, and which were answered
"""

from auth_svc.code_flow.grant import AuthorizationCode
from auth_svc.code_flow.pushed import PushedRequests
from auth_svc.code_flow.reading import RequestReader
from auth_svc.code_flow.request_object import RequestObjects
from auth_svc.code_flow.routes import CodeFlowPages
from auth_svc.code_flow.store import forget_expired, withdraw

__all__ = [
    "AuthorizationCode",
    "CodeFlowPages",
    "PushedRequests",
    "RequestObjects",
    "RequestReader",
    "forget_expired",
    "withdraw",
]
