"""Access tokens, checked where they arrive: JWTs by RFC 9068 section 4.

    unverified = parse(token)                     # shape, size, type and algorithm; nothing is believed yet
    key = await metadata.key(unverified.key_id)
    claims = validate(unverified, key=key, issuer=…, audience=…, now=…)

Whatever comes in, the only exception that leaves is `InvalidToken`.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

import msgspec
from joserfc.errors import JoseError
from joserfc.util import urlsafe_b64decode

from lib_two.algorithms import ALGORITHMS, REGISTRY
from lib_two.errors import InvalidToken
from lib_two.metadata import VerificationKey

LEEWAY = timedelta(seconds=5)
"""How far the issuer's clock may differ from ours."""
MAX_LENGTH = 16_384
"""Characters of a token, at most."""

_TYPES = ("at+jwt", "application/at+jwt")
_LONGEST_ID = 255


class UnverifiedToken(msgspec.Struct, frozen=True):
    """A token that has the right shape. Nothing in it may be believed."""

    algorithm: str
    key_id: str
    signed: bytes
    """What the signature is over: header and payload as they came."""
    payload: bytes
    signature: bytes


class Confirmation(msgspec.Struct, frozen=True, kw_only=True):
    """The key that whoever shows a token must have: the claim `cnf` (RFC 7800)."""

    jkt: str | None = None
    """Thumbprint of the DPoP key (RFC 9449 section 6)."""
    x5t_s256: str | None = None
    """Hash of the client's certificate (RFC 8705 section 3.1)."""


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """What a valid access token says (RFC 9068 section 2.2). Times are aware and in UTC."""

    issuer: str
    subject: str
    audience: tuple[str, ...]
    client_id: str
    token_id: str
    issued_at: datetime
    expires_at: datetime
    scopes: frozenset[str]
    key_id: str
    """The key that signed; empty for an opaque token."""
    session_id: str | None = None
    grant_id: str | None = None
    auth_time: datetime | None = None
    acr: str | None = None
    amr: tuple[str, ...] = ()
    roles: frozenset[str] = frozenset()
    confirmation: Confirmation | None = None
    """What the token is bound to; None: whoever has it may use it."""
    payload: bytes = b"{}"
    """All of it as it came: one string takes a third of the memory of a dictionary, and guards remember thousands."""

    @property
    def raw(self) -> dict[str, Any]:
        """All claims, for those that have no name here. Decoded at each call."""
        return json_object(self.payload)


def parse(token: str) -> UnverifiedToken:
    """Check what can be checked without a key: size, three parts, `typ`, `alg`, `kid`.

    Raises:
        InvalidToken: it cannot be an access token of RFC 9068.
    """
    if len(token) > MAX_LENGTH:
        _refuse("longer than is taken")
    if not token.isascii():
        _refuse("not ASCII")
    parts = token.split(".")
    if len(parts) != 3 or not all(parts):
        _refuse("not a signed JWT")
    header = json_object(base64url(parts[0]))
    type_, algorithm = header.get("typ"), header.get("alg")
    # This is what keeps ID tokens, logout tokens and all other JWTs of the same issuer out.
    if not isinstance(type_, str) or type_.lower() not in _TYPES:
        _refuse("typ is not at+jwt")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        _refuse("alg is not allowed")
    if "crit" in header or "b64" in header:
        _refuse("a critical header that is not understood")
    signed = token.rpartition(".")[0].encode()
    return UnverifiedToken(algorithm, _id(header, "kid"), signed, base64url(parts[1]), base64url(parts[2]))


def validate(
    token: str | UnverifiedToken, *, key: VerificationKey, issuer: str, audience: str, now: datetime
) -> Claims:
    """Check the signature and the claims, and return what they say.

    Args:
        token: As it came, or already parsed.
        key: The issuer's key with the token's `kid`; its own `use` and `alg` are honoured.
        issuer: Must be identical to `iss`.
        audience: Our resource identifier; must be among `aud`.
        now: Aware.

    Raises:
        InvalidToken: any of it does not hold.
    """
    unverified = token if isinstance(token, UnverifiedToken) else parse(token)
    try:
        algorithm = REGISTRY.get_alg(unverified.algorithm)
        algorithm.check_key(key)
        good = algorithm.verify(unverified.signed, unverified.signature, key)
    except (JoseError, ValueError, TypeError) as error:
        raise InvalidToken(detail=f"signature: {type(error).__name__}") from error
    if not good:
        _refuse("the signature is wrong")
    return claims_of(unverified.payload, key_id=unverified.key_id, issuer=issuer, audience=audience, now=now)


def claims_of(payload: bytes, *, key_id: str, issuer: str, audience: str, now: datetime) -> Claims:
    """Check claims that are known to be the issuer's, as JSON: it signed them, or has just said them.

    Raises:
        InvalidToken: they are not those of an access token for us, or it is not good now.
    """
    raw = json_object(payload)
    if raw.get("iss") != issuer:
        _refuse("iss is another")
    audiences = _texts(raw, "aud")
    if audience not in audiences:
        _refuse("aud is another")
    expires_at, issued_at = _time(raw, "exp"), _time(raw, "iat")
    if expires_at + LEEWAY <= now:
        raise InvalidToken("The access token has expired.")
    if issued_at - LEEWAY > now or issued_at > expires_at:
        _refuse("iat is in the future")
    if "nbf" in raw and _time(raw, "nbf") - LEEWAY > now:
        _refuse("nbf is in the future")
    scope = raw.get("scope", "")
    if not isinstance(scope, str) or not scope.isascii() or not (scope == "" or scope.isprintable()):
        _refuse("scope is not a string")
    return Claims(
        issuer=issuer,
        subject=_id(raw, "sub"),
        audience=audiences,
        client_id=_id(raw, "client_id"),
        token_id=_id(raw, "jti"),
        issued_at=issued_at,
        expires_at=expires_at,
        scopes=frozenset(scope.split()),
        key_id=key_id,
        session_id=_id(raw, "sid") if "sid" in raw else None,
        grant_id=_id(raw, "grant_id") if "grant_id" in raw else None,
        auth_time=_time(raw, "auth_time") if "auth_time" in raw else None,
        acr=_id(raw, "acr") if "acr" in raw else None,
        amr=_texts(raw, "amr") if "amr" in raw else (),
        roles=frozenset(_texts(raw, "roles")) if "roles" in raw else frozenset(),
        confirmation=_confirmation(raw) if "cnf" in raw else None,
        payload=payload,
    )


def _confirmation(raw: Mapping[str, Any]) -> Confirmation:
    """What the token is bound to. A binding that is not understood is not ignored: nobody could prove it here."""
    cnf = raw["cnf"]
    if not isinstance(cnf, dict) or not cnf or not set(cnf) <= {"jkt", "x5t#S256"}:
        _refuse("cnf is not understood")
    return Confirmation(
        jkt=_id(cnf, "jkt") if "jkt" in cnf else None,
        x5t_s256=_id(cnf, "x5t#S256") if "x5t#S256" in cnf else None,
    )


def _refuse(detail: str) -> NoReturn:
    raise InvalidToken(detail=detail)


def _id(raw: Mapping[str, Any], name: str) -> str:
    value = raw.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_ID or not value.isprintable():
        _refuse(f"{name} is missing or odd")
    return value


def _texts(raw: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = raw.get(name)
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        _refuse(f"{name} is missing or odd")
    return tuple(value)


def _time(raw: Mapping[str, Any], name: str) -> datetime:
    """A NumericDate (RFC 7519 section 2)."""
    value = raw.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 253_402_300_000:
        _refuse(f"{name} is missing or not a time")
    return datetime.fromtimestamp(value, UTC)


def base64url(part: str) -> bytes:
    """base64url as RFC 7515 section 2 has it: no padding, no other characters, no spare bits."""
    try:
        return urlsafe_b64decode(part.encode())
    except ValueError as error:
        raise InvalidToken(detail="not base64url") from error


def json_object(text: bytes) -> dict[str, Any]:
    """A JSON object in which no name comes twice (RFC 8725 section 2.4: two readers may see two values)."""
    try:
        value = _decoder.decode(text.decode())
    except (ValueError, RecursionError) as error:
        raise InvalidToken(detail="not JSON") from error
    if not isinstance(value, dict):
        _refuse("not a JSON object")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a name comes twice")
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_decoder = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)
