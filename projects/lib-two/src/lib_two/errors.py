"""What can go wrong with tokens, as types.

TokenError
├── Refused                 a resource server says no; knows its status and its RFC 6750 code
│   ├── MissingToken        401, no code: no credentials were given
│   ├── MalformedRequest    400 invalid_request
│   ├── InvalidToken        401 invalid_token
│   ├── InvalidProof        401 invalid_dpop_proof
│   ├── NonceNeeded         401 use_dpop_nonce
│   ├── InsufficientScope   403 insufficient_scope
│   ├── InsufficientAuthentication  401 insufficient_user_authentication
│   └── CannotKnow          503: whether the token still holds cannot be known right now
├── IssuerUnavailable       the authorization server does not answer, or not sensibly: try again later
├── OAuthError              the authorization server says no, with a code of RFC 6749 and its kin
├── SignInNeeded            somebody must sign in (again)
│   └── StepUpNeeded        … for this request, and in a certain way
├── NoBrowser               no browser could be opened: use the device flow
├── ApiError                the API says no, as RFC 9457 problem details
└── StoreError              the kept tokens cannot be read or written
"""

from datetime import timedelta
from typing import ClassVar

_ADVICE = {
    "access_denied": "Start again if that was not meant.",
    "expired_token": "Start again.",
    "invalid_client": "Check the client's id and secret.",
    "invalid_grant": "Sign in again.",
    "invalid_scope": "Ask for less, or ask an operator for the role that has it.",
    "invalid_target": "Check the API's address.",
    "server_error": "Try again, and tell the operator of the authorization server if it stays.",
    "slow_down": "Wait a little and try again.",
    "temporarily_unavailable": "Try again in a moment.",
    "unauthorized_client": "Use another way to sign in, or ask an operator to register the client for this one.",
    "unmet_authentication_requirements": "The API wants a kind of sign-in that there is not: tell its operator.",
    "unsupported_grant_type": "Use another way to sign in.",
}


class TokenError(Exception):
    """Anything that goes wrong with a token."""


class Refused(TokenError):  # noqa: N818 - named for the refusal
    """A resource server says no. `str()` of it is public: it goes into the answer."""

    status: ClassVar[int] = 401
    """HTTP status of the answer."""
    code: ClassVar[str | None] = None
    """Error code of RFC 6750 section 3.1, or `None` where the RFC wants none."""

    def __init__(self, description: str, *, detail: str | None = None) -> None:
        super().__init__(description)
        self.description = description
        self.detail = detail
        """For the log only: may quote what came in."""


class MissingToken(Refused):
    """No bearer token was given. The challenge then carries no error code (RFC 6750 section 3.1)."""

    def __init__(self) -> None:
        super().__init__("This needs an access token.")


class MalformedRequest(Refused):
    """The credentials cannot be read, or came in more than one way (RFC 6750 section 3.1)."""

    status = 400
    code = "invalid_request"


class InvalidToken(Refused):
    """The token is malformed, forged, expired, revoked, or meant for somebody else."""

    code = "invalid_token"

    def __init__(self, description: str = "The access token is not valid.", *, detail: str | None = None) -> None:
        super().__init__(description, detail=detail)


class InvalidProof(Refused):
    """The token is bound to a key, and the proof is missing, used, or not for this request (RFC 9449 section 7.1)."""

    code = "invalid_dpop_proof"

    def __init__(self, *, detail: str | None = None) -> None:
        super().__init__("The DPoP proof is missing, used, too old, or not meant for this request.", detail=detail)


class NonceNeeded(Refused):
    """The proof must repeat a nonce (RFC 9449 section 9), which the answer has in the header `DPoP-Nonce`."""

    code = "use_dpop_nonce"

    def __init__(self, nonce: str) -> None:
        super().__init__("The DPoP proof must have the nonce of the DPoP-Nonce header.")
        self.nonce = nonce


class InsufficientScope(Refused):
    """The token is good, but not for this."""

    status = 403
    code = "insufficient_scope"

    def __init__(self, scopes: tuple[str, ...]) -> None:
        super().__init__(f"This needs the scope {' '.join(scopes)}.")
        self.scopes = scopes
        """All that this operation needs, not only what is missing."""


class InsufficientAuthentication(Refused):
    """The token is good, but its person signed in too long ago, or not in a way that is enough here (RFC 9470)."""

    code = "insufficient_user_authentication"

    def __init__(self, *, max_age: timedelta | None, acr_values: tuple[str, ...]) -> None:
        super().__init__("This needs a more recent sign-in or one of another kind.")
        self.max_age = max_age
        self.acr_values = acr_values


class CannotKnow(Refused):
    """Whether the token still holds cannot be known at the moment, so it is not accepted."""

    status = 503

    def __init__(self, detail: str, *, retry_after: timedelta = timedelta(seconds=2)) -> None:
        super().__init__("The token cannot be checked at the moment. Try again shortly.", detail=detail)
        self.retry_after = retry_after


class IssuerUnavailable(TokenError):  # noqa: N818 - named for the condition
    """The authorization server does not answer, or its answer makes no sense. Nothing is known about the token."""


class OAuthError(TokenError):
    """The authorization server said no. `code` is from RFC 6749 section 5.2, RFC 8628 section 3.5 and their kin."""

    def __init__(self, code: str, description: str | None = None, *, status: int | None = None) -> None:
        self.code = code
        self.description = description
        self.status = status
        """HTTP status, where the refusal came over the back channel."""
        self.advice = _ADVICE.get(code, "Try again; if it stays, tell the operator of the authorization server.")
        """What to do next, for people."""
        super().__init__(f"{(description or code).rstrip('. ')}. {self.advice}")


class SignInNeeded(TokenError):  # noqa: N818 - named for the condition
    """There is no token here that can be used or refreshed."""

    def __init__(self, hint: str = "You are not signed in.") -> None:
        super().__init__(hint)
        self.hint = hint


class StepUpNeeded(SignInNeeded):
    """An API wants its person to sign in again for this: recently, or in a certain way (RFC 9470 section 3).

    Give both fields to `code_flow.sign_in`, then send the request once more. An issuer that cannot do it says
    `unmet_authentication_requirements`, so nobody runs in circles.
    """

    def __init__(self, *, max_age: int | None, acr_values: tuple[str, ...]) -> None:
        super().__init__("This needs a fresh sign-in.")
        self.max_age = max_age
        """Seconds since the sign-in, at most; None: no matter."""
        self.acr_values = acr_values
        """Authentication contexts, one of which is enough; empty: no matter."""


class NoBrowser(TokenError):  # noqa: N818 - named for the condition
    """No browser could be opened here. The device flow needs none."""

    def __init__(self) -> None:
        super().__init__("No browser could be opened. Sign in with a device code instead.")


class ApiError(TokenError):
    """An API said no. Taken from RFC 9457 problem details where the answer had them."""

    def __init__(self, status: int, title: str, detail: str | None = None) -> None:
        super().__init__(f"{title}: {detail}" if detail else title)
        self.status = status
        self.title = title
        self.detail = detail


class StoreError(TokenError):
    """The kept tokens cannot be read or written. The message says what to do."""
