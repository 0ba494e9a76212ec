"""A client's key, and proofs made with it by joserfc: nothing of the code under test makes what it is to judge."""

import base64
import hashlib
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import ECKey, OKPKey, RSAKey

from lib_one.event import new_id
from lib_one.testing import Clock

ISSUER = "http://127.0.0.1:8400"


class Prover:
    """Makes DPoP proofs (RFC 9449 section 4.2), good ones unless told otherwise. None takes a member away."""

    def __init__(self, now: Callable[[], datetime], algorithm: str = "ES256") -> None:
        self.now = now
        self.algorithm = algorithm
        self.key: ECKey | OKPKey | RSAKey
        if algorithm == "ES256":
            self.key = ECKey.generate_key("P-256")
        elif algorithm == "Ed25519":
            self.key = OKPKey.generate_key("Ed25519")
        else:
            self.key = RSAKey.generate_key(2048)
        self.jkt = self.key.thumbprint()

    def proof(
        self,
        path: str = "/token",
        method: str = "POST",
        *,
        token: str | None = None,
        header: dict[str, Any] | None = None,
        **claims: Any,
    ) -> str:
        usual: dict[str, Any] = {
            "jti": new_id(),
            "htm": method,
            "htu": ISSUER + path,
            "iat": int(self.now().timestamp()),
        }
        if token is not None:
            usual["ath"] = base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).rstrip(b"=").decode()
        head = {"typ": "dpop+jwt", "alg": self.algorithm, "jwk": self.key.as_dict(private=False), **(header or {})}
        body = {name: value for name, value in (usual | claims).items() if value is not None}
        registry = jws.JWSRegistry(algorithms=[self.algorithm], strict_check_header=False)
        return jws.serialize_compact(
            {name: value for name, value in head.items() if value is not None},
            json.dumps(body).encode(),
            self.key,
            registry=registry,
        )

    def headers(self, path: str = "/token", method: str = "POST", **more: Any) -> dict[str, str]:
        """The header of a request."""
        return {"dpop": self.proof(path, method, **more)}

    def shows(self, token: str, path: str = "/userinfo", method: str = "GET", **more: Any) -> dict[str, str]:
        """The headers of a request with a bound token."""
        return {"authorization": f"DPoP {token}", "dpop": self.proof(path, method, token=token, **more)}


@pytest.fixture
def prover(clock: Clock) -> Prover:
    return Prover(clock)


@pytest.fixture
def thief(clock: Clock) -> Prover:
    """Somebody else, with a key of their own."""
    return Prover(clock)


@pytest.fixture
def make_prover(clock: Clock) -> Callable[[str], Prover]:
    """Somebody whose key is for this algorithm."""
    return lambda algorithm: Prover(clock, algorithm)
