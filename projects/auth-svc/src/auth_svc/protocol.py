"""The vocabulary: words of the RFCs that more than one slice uses."""

from typing import Final, Literal

AUTHORIZATION_CODE: Final = "authorization_code"
REFRESH_TOKEN: Final = "refresh_token"
CLIENT_CREDENTIALS: Final = "client_credentials"
DEVICE_CODE: Final = "urn:ietf:params:oauth:grant-type:device_code"
TOKEN_EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
CIBA: Final = "urn:openid:params:grant-type:ciba"
JWT_BEARER: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"

ACCESS_TOKEN_TYPE: Final = "urn:ietf:params:oauth:token-type:access_token"
"""What token exchange calls an access token (RFC 8693 section 3)."""

BEARER: Final = "Bearer"
"""The token type of RFC 6750."""
DPOP: Final = "DPoP"
"""The token type of RFC 9449."""


def prompts(*, accounts_open: bool) -> tuple[str, ...]:
    """What `prompt` may ask for (OIDC Core section 3.1.2.1); an account of one's own, where people may register."""
    return ("none", "login", "consent", "select_account", *(("create",) if accounts_open else ()))


type ResponseMode = Literal["query", "form_post"]

RESPONSE_MODES: Final[dict[str, tuple[ResponseMode, bool]]] = {
    "query": ("query", False),
    "form_post": ("form_post", False),
    "jwt": ("query", True),
    "query.jwt": ("query", True),
    "form_post.jwt": ("form_post", True),
}
"""How an answer may travel, and whether it is signed (JARM section 2.3): no fragment, which only scripts could read."""

OPENID: Final = "openid"
OFFLINE_ACCESS: Final = "offline_access"
IDENTITY_SCOPES: Final = ("openid", "profile", "email", "offline_access")
"""Everybody may grant these: they are about the person, or about how long a grant lives."""
GLOBAL_TOKEN_REVOCATION: Final = "global_token_revocation"
"""Lets a program end all of a person. No role grants it: it is for clients that an operator registered with it."""
ADMIN: Final = "admin"
"""Lets its holder operate this server. The role `operator` grants it."""
SSF_READ: Final = "ssf.read"
"""Lets a receiver of shared signals look at its stream, and take what is in it."""
SSF_MANAGE: Final = "ssf.manage"
"""Lets it make and change the stream as well. No role grants either: they are for clients of an operator."""
ISSUER_SCOPES: Final = (OPENID, GLOBAL_TOKEN_REVOCATION, ADMIN, SSF_READ, SSF_MANAGE)
"""Tokens with one of these are for the issuer too, beside the resource servers that the others belong to."""


def resource_identifier(text: str) -> str:
    """A resource as it is written here: without the slash that stands for an empty path.

    Programs that hold an address as a URL write `https://api.example` with a slash at its end. The two are one (RFC
    3986 section 6.2.3), and clients of the Model Context Protocol send either.
    """
    bare = text.endswith("/") and text.count("/") == 3 and text.startswith(("https://", "http://"))
    return text[:-1] if bare else text
