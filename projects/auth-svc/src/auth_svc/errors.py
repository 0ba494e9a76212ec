"""What the protocol answers when it says no: one class an error, and how each is rendered.

What one slice alone says is in that slice.

`description` goes to the caller. It is constant for a class, printable ASCII, and says nothing that the caller did
not know (no oracle); `told` may add a name of ours. `detail` is for the log. Renderings: `token_body` (JSON, machine
endpoints), in `code_flow` the answer to a client whose redirect URI is known to be good, and in `web` the page for
everything that must not be redirected.
"""

from typing import ClassVar

import msgspec


class OAuthError(Exception):
    """An error of RFC 6749 section 5.2 or of a specification that extends it."""

    code: ClassVar[str] = "server_error"
    status: ClassVar[int] = 400
    description: ClassVar[str] = "Something went wrong."

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail or self.description)
        self.detail = detail
        """What the log may know and the caller may not. Never a secret."""

    @property
    def told(self) -> str:
        """The `error_description` of a JSON answer."""
        return self.description


class InvalidRequest(OAuthError):  # noqa: N818 - errors have the RFC's names
    """The request is malformed, or a parameter is missing or unacceptable."""

    code = "invalid_request"
    description = "The request is malformed or lacks a required parameter."


class RepeatedParameter(InvalidRequest):
    """RFC 6749 section 3.2: parameters must not be included more than once."""

    description = "A parameter is given more than once."


class MalformedEncoding(InvalidRequest):
    """Broken percent-encoding, bytes that are not UTF-8, or control characters."""

    description = "A parameter is not valid percent-encoded UTF-8 text."


class WrongContentType(InvalidRequest):
    """Machine endpoints take forms only."""

    description = "The body must be application/x-www-form-urlencoded."


class BodyTooLarge(InvalidRequest):
    """The body exceeds what any honest request needs; it is not read to its end."""

    status = 413
    description = "The body is too large."


class TwoAuthenticationMethods(InvalidRequest):
    """RFC 6749 section 2.3: a client must not use more than one method in a request."""

    description = "Use one way of client authentication, not several."


class MethodNotAllowed(InvalidRequest):
    """The endpoint does not have this HTTP method; `Allow` says which it has."""

    status = 405
    description = "This endpoint does not have this method."


class UnacceptableToken(InvalidRequest):
    """RFC 8693 section 2.2.2: a token that was given to be exchanged is no good, or not for this client to use."""

    description = "The subject_token or the actor_token is invalid, or this client may not use it."


class OwnProofRequired(UnacceptableToken):
    """A token that is bound to a key is exchanged for one that is bound to a key of the client's own, or not at all."""

    description = "The token to be exchanged is bound to a key: send a proof with a key of your own."


class InvalidClient(OAuthError):  # noqa: N818
    """Client authentication failed: unknown client, wrong or missing secret, or a method that it may not use."""

    code = "invalid_client"
    status = 401
    description = "Client authentication failed."


class InvalidGrant(OAuthError):  # noqa: N818
    """The code, refresh token or device code is unknown, used, expired, revoked or somebody else's."""

    code = "invalid_grant"
    description = "The grant is invalid, expired or revoked, or was issued to another client."


class UnauthorizedClient(OAuthError):  # noqa: N818
    """The client is who it says, but may not do this."""

    code = "unauthorized_client"
    description = "The client is not allowed to use this grant type or response type."


class UnsupportedGrantType(OAuthError):  # noqa: N818
    """No grant here has this name."""

    code = "unsupported_grant_type"
    description = "This grant type is not supported."


class InvalidScope(OAuthError):  # noqa: N818
    """Unknown, malformed, wider than what was granted, or nothing is left of it."""

    code = "invalid_scope"
    description = "The scope is malformed, unknown or wider than what may be granted."


class InvalidTarget(OAuthError):  # noqa: N818
    """RFC 8707 section 2: the resource is not one that this server issues tokens for."""

    code = "invalid_target"
    description = "The requested resource is unknown or does not fit the scope."


class InvalidAuthorizationDetails(OAuthError):  # noqa: N818
    """RFC 9396 section 5: an unknown type, an object that is not of its type, or more than was granted."""

    code = "invalid_authorization_details"
    description = "The authorization details are malformed, of an unknown type or wider than what may be granted."


class AccessDenied(OAuthError):  # noqa: N818
    """The person, or a policy, said no."""

    code = "access_denied"
    description = "The request was denied."


class UnsupportedResponseType(OAuthError):  # noqa: N818
    """Only `code` is supported."""

    code = "unsupported_response_type"
    description = "Only the response type code is supported."


class LoginRequired(OAuthError):  # noqa: N818
    """OIDC Core section 3.1.2.6: `prompt=none`, and nobody is signed in."""

    code = "login_required"
    description = "The user must sign in."


class ConsentRequired(OAuthError):  # noqa: N818
    """OIDC Core section 3.1.2.6: `prompt=none`, and consent would be needed."""

    code = "consent_required"
    description = "The user must consent."


class UnmetAuthenticationRequirements(OAuthError):  # noqa: N818
    """RFC 9470 section 5: the sign-in that was asked for (`acr_values`, or an essential `acr`) does not exist here."""

    code = "unmet_authentication_requirements"
    description = "The authentication that was asked for is not possible here."


class InvalidRequestObject(OAuthError):  # noqa: N818
    """RFC 9101 section 7: the request object is malformed, expired, for another server or not signed by the client."""

    code = "invalid_request_object"
    description = "The request object is malformed, expired, or not signed as this client must."


class RequestUriNotSupported(OAuthError):  # noqa: N818
    """OIDC Core section 3.1.2.6: the parameter `request_uri`."""

    code = "request_uri_not_supported"
    description = "The parameter request_uri is not supported."


class RegistrationNotSupported(OAuthError):  # noqa: N818
    """OIDC Core section 3.1.2.6: the parameter `registration`."""

    code = "registration_not_supported"
    description = "The parameter registration is not supported."


class AuthorizationPending(OAuthError):  # noqa: N818
    """RFC 8628 section 3.5: the person has not decided yet."""

    code = "authorization_pending"
    description = "The user has not decided yet: ask again after the interval."


class SlowDown(OAuthError):  # noqa: N818
    """RFC 8628 section 3.5: asked too soon; the interval grows by five seconds."""

    code = "slow_down"
    description = "Asked too often: wait five seconds longer between requests."


class ExpiredToken(OAuthError):  # noqa: N818
    """RFC 8628 section 3.5, CIBA Core section 11: nobody decided in time."""

    code = "expired_token"
    description = "The code has expired: start again."


class InvalidToken(OAuthError):  # noqa: N818
    """RFC 6750 section 3.1: the access token is no good here."""

    code = "invalid_token"
    status = 401
    description = "The access token is malformed, expired, revoked or not meant for this resource."


class InvalidProof(OAuthError):  # noqa: N818
    """RFC 9449 section 5: the DPoP proof is malformed, was used before, or was made for something else."""

    code = "invalid_dpop_proof"
    description = "The DPoP proof is malformed, used, too old, or not meant for this request."


class ProofRequired(InvalidProof):
    """RFC 9449 section 5.2: tokens of this client are bound to a key, and the request showed none."""

    description = "The client must prove to have a key: send a DPoP proof."


class CertificateRequired(InvalidRequest):
    """RFC 8705 section 3: tokens of this client are bound to its certificate, and the connection has none."""

    description = "The client must connect with its TLS certificate."


class UseDpopNonce(OAuthError):  # noqa: N818
    """RFC 9449 section 8: the proof must repeat a nonce, which the answer has in the header `DPoP-Nonce`."""

    code = "use_dpop_nonce"
    description = "The DPoP proof must have the nonce of the DPoP-Nonce header."

    def __init__(self, *, nonce: str) -> None:
        super().__init__()
        self.nonce = nonce


class InsufficientScope(OAuthError):  # noqa: N818
    """RFC 6750 section 3.1: the access token is good, and not for this."""

    code = "insufficient_scope"
    status = 403
    description = "The access token does not have the scope that this needs."


class ServerError(OAuthError):
    """Something broke on this side; the log has it."""

    code = "server_error"
    status = 500
    description = "The server could not answer."


class TemporarilyUnavailable(OAuthError):  # noqa: N818
    """Too busy, or something that this needs is away; answered with `Retry-After`."""

    code = "temporarily_unavailable"
    status = 503
    description = "The server is busy: try again in a moment."
    retry_after: int = 2
    """Seconds."""


class TooManyRequests(TemporarilyUnavailable):
    """So many devices or requests wait already, from this address or in all, that no more may begin (RFC 6585 4)."""

    status = 429
    description = "Too many requests: wait, then try again."

    def __init__(self, detail: str, *, retry_after: int) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


def token_body(error: OAuthError) -> bytes:
    """Render as JSON, RFC 6749 section 5.2."""
    return msgspec.json.encode({"error": error.code, "error_description": error.told})
