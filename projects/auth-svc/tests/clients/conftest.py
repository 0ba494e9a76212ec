"""A client with keys, and what it signs."""

import warnings
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from joserfc import jwk, jws
from joserfc.errors import SecurityWarning

from auth_svc.clients import NewClient
from auth_svc.testing import House
from lib_one.event import new_id
from lib_one.http import Response

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
KEYS: dict[str, Any] = {
    "ES256": jwk.ECKey.generate_key("P-256", {"kid": "ec"}),
    "RS256": jwk.RSAKey.generate_key(2048, {"kid": "rsa"}),
    "PS256": jwk.RSAKey.generate_key(2048, {"kid": "pss"}),
    "EdDSA": jwk.OKPKey.generate_key("Ed25519", {"kid": "ed"}),
}


@dataclass
class Signer:
    """The client `bank`, which proves who it is by assertion."""

    house: House
    client_id: str = "bank"

    async def register(self, **changes: Any) -> None:
        given: dict[str, Any] = {
            "client_id": self.client_id,
            "client_name": "Bank",
            "token_endpoint_auth_method": "private_key_jwt",
            "grant_types": ("client_credentials",),
            "scope": "shipments:read",
        }
        if "jwks_uri" not in changes:
            given["jwks"] = {"keys": [self.public(algorithm) for algorithm in KEYS]}
        new = NewClient(**(given | changes))
        await self.house.app.ledger.database.work(
            lambda connection: self.house.app.registration.ensure(connection, new)
        )
        self.house.app.clients.forget(self.client_id)

    def public(self, algorithm: str) -> dict[str, Any]:
        return dict(KEYS[algorithm].as_dict(private=False))

    def claims(self, **changes: Any) -> dict[str, Any]:
        now = int(self.house.clock().timestamp())
        usual = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": self.house.issuer,
            "iat": now,
            "exp": now + 60,
            "jti": new_id(),
        }
        return {name: value for name, value in (usual | changes).items() if value is not None}

    def sign(self, claims: Any, algorithm: str = "ES256", *, key: Any = None, **header: Any) -> str:
        key = key or KEYS[algorithm]
        protected = {"alg": algorithm, "kid": key.kid} | header
        body = claims if isinstance(claims, bytes) else msgspec.json.encode(claims)
        given = {name: value for name, value in protected.items() if value is not None}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SecurityWarning)  # EdDSA has another name since RFC 9864
            return jws.serialize_compact(given, body, key, algorithms=[algorithm])

    async def ask(self, assertion: str | None = None, path: str = "/token", **form: str) -> Response:
        usual = {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": self.sign(self.claims()) if assertion is None else assertion,
        }
        return await self.house.post(path, {name: value for name, value in (usual | form).items() if value})


@pytest.fixture
def bank(house: House) -> Signer:
    return Signer(house)
