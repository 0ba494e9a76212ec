"""What a fake issuer knows: its keys, what it signs with them, and what it has revoked."""

from datetime import datetime, timedelta
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from lib_one.contracts.revocation import (
    ClientRevoked,
    GrantRevoked,
    KeyDistrusted,
    SessionRevoked,
    SubjectRevoked,
    TokenRevoked,
)
from lib_one.event import Contract, Now, new_id
from lib_two.algorithms import REGISTRY


class Signer:
    """Keys, and the tokens signed with them. The newest key signs unless another is named."""

    def __init__(self, now: Now) -> None:
        self.now = now
        self.keys: dict[str, RSAKey | ECKey | OKPKey] = {}
        self.published: set[str] = set()
        """Ids of the keys in the JWKS."""
        self.newest = ""

    def add_key(self, algorithm: str = "ES256", *, published: bool = True) -> str:
        """A new key, which signs from now on. Returns its id."""
        key_id = f"key-{len(self.keys) + 1}"
        parameters: Any = {"kid": key_id, "use": "sig", "alg": algorithm}
        key: RSAKey | ECKey | OKPKey
        if algorithm == "RS256":
            key = RSAKey.generate_key(2048, parameters)
        elif algorithm == "ES256":
            key = ECKey.generate_key("P-256", parameters)
        else:
            key = OKPKey.generate_key("Ed25519", parameters)
        self.keys[key_id] = key
        if published:
            self.published.add(key_id)
        self.newest = key_id
        return key_id

    def jwks(self) -> dict[str, Any]:
        """The published keys (RFC 7517)."""
        return {"keys": [key.as_dict(private=False) for name, key in self.keys.items() if name in self.published]}

    def sign(self, claims: dict[str, Any], *, type_: str, key_id: str | None = None, **header: Any) -> str:
        """A JWT with exactly these claims."""
        key = self.keys[key_id or self.newest]
        algorithm = str(key.get("alg"))
        headers = {"alg": algorithm, "kid": key_id or self.newest, "typ": type_, **header}
        return jwt.encode(headers, claims, key, registry=REGISTRY)

    def read(self, token: str) -> dict[str, Any] | None:
        """The claims of a token that was signed here, or `None`; with the id of the key as `kid`."""

        def find(guest: Any) -> RSAKey | ECKey | OKPKey:
            key = self.keys.get(str(guest.headers().get("kid")))
            if key is None:
                raise ValueError("no such key")
            return key

        try:
            decoded = jwt.decode(token, find, registry=REGISTRY)
        except (JoseError, ValueError, TypeError):
            return None
        return {**decoded.claims, "kid": decoded.header["kid"]}


class Revocations:
    """What a fake issuer has revoked, as its introspection knows it: the naive way, from a list."""

    def __init__(self) -> None:
        self.facts: list[Contract] = []

    def hit(self, claims: dict[str, Any]) -> bool:
        """True if any fact concerns a token with these claims."""
        return any(self._concerns(fact, claims) for fact in self.facts)

    @staticmethod
    def _concerns(fact: Contract, claims: dict[str, Any]) -> bool:
        match fact:
            case TokenRevoked():
                return claims.get("jti") == fact.token_id
            case GrantRevoked():
                return claims.get("grant_id") == fact.grant_id
            case SessionRevoked():
                return claims.get("sid") == fact.session_id
            case KeyDistrusted():
                return claims.get("kid") == fact.key_id
            case SubjectRevoked():
                return claims.get("sub") == fact.subject_id and claims["iat"] <= fact.not_before.timestamp()
            case ClientRevoked():
                return claims.get("client_id") == fact.client_id and claims["iat"] <= fact.not_before.timestamp()
            case _:
                return False


def access_claims(
    *,
    issuer: str,
    audience: str,
    subject: str,
    scope: str,
    client_id: str,
    now: datetime,
    lifetime: timedelta,
    more: dict[str, Any],
) -> dict[str, Any]:
    """The claims of an access token (RFC 9068 section 2.2). A `None` in `more` takes a claim away."""
    claims = {
        "iss": issuer,
        "sub": subject,
        "aud": audience,
        "client_id": client_id,
        "iat": int(now.timestamp()),
        "exp": int((now + lifetime).timestamp()),
        "jti": new_id(),
        "scope": scope,
        **more,
    }
    return {name: value for name, value in claims.items() if value is not None}
