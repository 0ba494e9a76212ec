"""The authorization code flow (OAuth 2.1 section 4.1, PKCE RFC 7636, OIDC Core section 3.1).

flow      the law of /authorize, who must be asked, what a code is good for: rules without I/O
claims    the parameter `claims` (OIDC Core section 5.5)
routes    /authorize and the consent page
grant     the code for tokens, at /token
store     codes, and which requests were answered
"""

from auth_svc.code_flow.grant import AuthorizationCode
from auth_svc.code_flow.routes import CodeFlowPages
from auth_svc.code_flow.store import forget_expired, withdraw

__all__ = ["AuthorizationCode", "CodeFlowPages", "forget_expired", "withdraw"]
