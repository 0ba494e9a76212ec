"""Request objects (RFC 9101): the parameters of an authorization request, in a JWT that the client signed.

The order of checks:

1  it is one compact JWS, typed as a request object or not at all, by an algorithm that this client may use
2  one of the client's keys made the signature; `none` is no algorithm
3  `client_id` inside is the client; `iss`, `aud` and the times fit (section 4; FAPI 2.0 Message Signing section 5.3.1)
4  no request object inside, and no other `response_type` outside (OIDC Core section 6.1)

What stands beside it is ignored (section 6.3).
"""

from datetime import timedelta
from typing import Any, Final

import msgspec

from auth_svc.clients import ASSERTION_ALGORITHMS, Client, ClientKeys
from auth_svc.errors import InvalidRequestObject, RepeatedParameter
from auth_svc.keys import FOREIGN_ALGORITHMS, Jws, MalformedJwsError, parse_jws
from auth_svc.web import Fields
from auth_svc.wire import Form
from lib_one.event import Now

AHEAD: Final = timedelta(seconds=30)
"""By how much the client's clock may be ahead."""
OLDEST: Final = timedelta(hours=1)
"""Under the rules of FAPI 2.0: how long ago `nbf` may be, and how long after it `exp`."""
_TYPES: Final = frozenset({"oauth-authz-req+jwt", "jwt"})
_OF_THE_JWT: Final = frozenset({"iss", "sub", "aud", "exp", "nbf", "iat", "jti"})
"""Claims about the JWT itself, not parameters."""
_EDDSA: Final = frozenset({"EdDSA", "Ed25519"})

_read = msgspec.json.Decoder(dict[str, Any]).decode


class RequestObjects:
    """Takes parameters out of request objects."""

    def __init__(self, keys: ClientKeys, *, issuer: str, now: Now) -> None:
        self._keys = keys
        self._issuer = issuer
        self._now = now

    async def open(self, outside: Form, client: Client) -> Fields:
        """Return the parameters inside the parameter `request`.

        Raises:
            RepeatedParameter: there are two.
            InvalidRequestObject: a check failed.
        """
        if "request" in outside.repeated:
            raise RepeatedParameter
        try:
            jws = parse_jws(outside["request"])
            claims = _read(jws.payload)
        except (MalformedJwsError, ValueError, RecursionError) as error:
            raise InvalidRequestObject(f"{client.client_id}: malformed") from error
        _check_header(jws, client)
        if not await self._keys.verify(client.client_id, client, jws):
            raise InvalidRequestObject(f"{client.client_id}: no key of the client made the signature")
        self._check_claims(claims, client)
        if "request" in claims or "request_uri" in claims:
            raise InvalidRequestObject(f"{client.client_id}: a request object inside a request object")
        if outside.get("response_type", claims.get("response_type")) != claims.get("response_type"):
            raise InvalidRequestObject(f"{client.client_id}: another response_type outside")
        return Fields(
            [pair for name, value in claims.items() if name not in _OF_THE_JWT for pair in _pairs(name, value)]
        )

    def _check_claims(self, claims: dict[str, Any], client: Client) -> None:
        who = client.client_id
        if claims.get("client_id") != who or claims.get("iss", who) != who:
            raise InvalidRequestObject(f"{who}: client_id or iss is not the client")
        if claims.get("sub") == who:
            # Such a JWT could be shown as a client assertion, and an assertion here (RFC 9101 section 10.8).
            raise InvalidRequestObject(f"{who}: sub is the client")
        audience = claims.get("aud", None if client.fapi2 else self._issuer)
        if self._issuer not in (audience if isinstance(audience, list) else [audience]):
            raise InvalidRequestObject(f"{who}: for another server")
        self._check_times(claims, client)

    def _check_times(self, claims: dict[str, Any], client: Client) -> None:
        now, ahead = self._now().timestamp(), AHEAD.total_seconds()
        moments = {name: claims[name] for name in ("exp", "nbf", "iat") if name in claims}
        if any(type(moment) not in {int, float} for moment in moments.values()):
            raise InvalidRequestObject(f"{client.client_id}: a time that is no number")
        expires, begins = moments.get("exp"), moments.get("nbf")
        if expires is not None and expires <= now:
            raise InvalidRequestObject(f"{client.client_id}: expired")
        if any(moments[name] > now + ahead for name in ("nbf", "iat") if name in moments):
            raise InvalidRequestObject(f"{client.client_id}: not yet good")
        longest = OLDEST.total_seconds()
        if client.fapi2 and (expires is None or begins is None or begins < now - longest or expires > begins + longest):
            raise InvalidRequestObject(f"{client.client_id}: exp and nbf are not as FAPI 2.0 wants them")


def _check_header(jws: Jws, client: Client) -> None:
    kind = jws.header.get("typ", "JWT")
    if not isinstance(kind, str) or kind.lower().removeprefix("application/") not in _TYPES:
        raise InvalidRequestObject(f"{client.client_id}: a JWT of another type")
    allowed = FOREIGN_ALGORITHMS if client.fapi2 else ASSERTION_ALGORITHMS
    wanted = client.request_object_signing_alg
    fits = wanted is None or jws.algorithm == wanted or {jws.algorithm, wanted} <= _EDDSA
    if jws.algorithm not in allowed or not fits:
        raise InvalidRequestObject(f"{client.client_id}: not with this algorithm")


def _pairs(name: str, value: Any) -> list[tuple[str, str]]:
    """A claim as a parameter: numbers and JSON as their text (RFC 9101 section 4), `resource` as many times as told."""
    if name == "resource" and isinstance(value, list):
        return [(name, one if isinstance(one, str) else "") for one in value]
    if isinstance(value, str):
        return [(name, value)]
    return [] if value is None else [(name, msgspec.json.encode(value).decode())]
