"""What a grant says beyond who let whom do what: the particulars that travel from the request to each of its tokens."""

from typing import Any

import msgspec


class Confirmation(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The key that whoever shows a token must prove to have: the claim `cnf` (RFC 7800)."""

    jkt: str | None = None
    """Thumbprint of the DPoP key (RFC 9449 section 6)."""
    x5t_s256: str | None = msgspec.field(default=None, name="x5t#S256")
    """Hash of the client's certificate (RFC 8705 section 3.1)."""


class ClaimsRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """The claims about a person that the parameter `claims` asked for (OIDC Core section 5.5), by where they go."""

    userinfo: tuple[str, ...] = ()
    id_token: tuple[str, ...] = ()


class Terms(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The particulars of a grant. Kept as JSON beside it, so that a new one needs no migration."""

    acr: str | None = None
    """The authentication context that the sign-in reached (OIDC Core section 2)."""
    claims: ClaimsRequest | None = None
    authorization_details: tuple[dict[str, Any], ...] = ()
    """What the person agreed to in detail (RFC 9396)."""
    confirmation: Confirmation | None = None
    """The key that the grant is bound to: refresh tokens of public clients are good with it only."""


NO_TERMS = Terms()

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Terms).decode


def to_text(terms: Terms) -> str:
    """For the database."""
    return _encode(terms).decode()


def from_text(text: str) -> Terms:
    """From the database."""
    return NO_TERMS if text == "{}" else _decode(text)
