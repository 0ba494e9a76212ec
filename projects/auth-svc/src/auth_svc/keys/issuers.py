"""Others whose signatures an operator trusts: a JSON file that is read at start.

It is a list of objects with `issuer`, its keys, and what the issuer may do with its signature.
"""

from pathlib import Path
from typing import Any

import msgspec

from auth_svc.keys.foreign import FOREIGN_ALGORITHMS, JwkError, Jws, key_fits, public_key
from auth_svc.keys.jose import PublicKey, verify


class TrustedIssuersError(Exception):
    """A file of trusted issuers cannot be read or does not have the shape; the message says why."""


class NamedIssuer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody whom an operator trusts."""

    issuer: str

    def check(self) -> None:
        """Look whether what is said of it can be.

        Raises:
            ValueError: it cannot.
        """


class SigningIssuer(NamedIssuer, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody whose signature is known."""

    jwks: dict[str, Any]
    """Its public keys (RFC 7517 section 5)."""
    algorithms: tuple[str, ...] = FOREIGN_ALGORITHMS
    """What it may sign with."""

    @property
    def keys(self) -> list[tuple[str | None, PublicKey]]:
        """The keys with their ids.

        Raises:
            JwkError: one of them is none, or there is none.
        """
        listed = self.jwks.get("keys")
        if not isinstance(listed, list) or not listed or not all(isinstance(jwk, dict) for jwk in listed):
            raise JwkError("jwks has no keys")
        return [(jwk.get("kid"), public_key(jwk)) for jwk in listed]

    def check(self) -> None:
        """The keys must be some."""
        _ = self.keys

    def signed(self, jws: Jws) -> bool:
        """Whether one of its keys signed this, by an algorithm that it may sign with."""
        if jws.algorithm not in self.algorithms:
            return False
        wanted = jws.header.get("kid")
        for key_id, key in self.keys:
            named = wanted is None or key_id is None or key_id == wanted
            if named and key_fits(key, jws.algorithm) and verify(key, jws.signature, jws.signed, jws.algorithm):
                return True
        return False


def read_issuers[T: NamedIssuer](file: Path | None, kind: type[T]) -> dict[str, T]:
    """Read a file: issuers by their name; nobody is trusted without one.

    Raises:
        TrustedIssuersError: unreadable, another shape, one issuer twice, or what is said of an issuer cannot be.
    """
    if file is None:
        return {}
    try:
        raw = msgspec.json.decode(file.read_bytes(), type=list[msgspec.Raw])
        listed = [msgspec.json.decode(one, type=kind) for one in raw]
    except OSError as error:
        raise TrustedIssuersError(f"cannot read the trusted issuers {file}: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise TrustedIssuersError(f"the trusted issuers {file} do not have the shape: {error}") from error
    found: dict[str, T] = {}
    for trusted in listed:
        if trusted.issuer in found:
            raise TrustedIssuersError(f"the trusted issuers {file}: {trusted.issuer} is there twice")
        try:
            trusted.check()
        except ValueError as error:
            raise TrustedIssuersError(f"the trusted issuers {file}: {trusted.issuer}: {error}") from error
        found[trusted.issuer] = trusted
    return found
