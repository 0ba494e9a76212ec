"""The key behind a request: what /token binds tokens to, and what must come with a bound token."""

import hashlib
import hmac
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal, NamedTuple

from auth_svc.clients import Client, shown_certificate
from auth_svc.db import Connection, Ledger
from auth_svc.errors import CertificateRequired, InvalidProof, ProofRequired, RepeatedParameter, UseDpopNonce
from auth_svc.grants import Confirmation
from auth_svc.proofs import store
from auth_svc.proofs.flow import AHEAD, OLDEST, Proof, ProofReader, check, same_uri
from auth_svc.proofs.nonces import Nonces
from auth_svc.secret_key import SecretKey
from auth_svc.wire import Headers, Request

type NoncePolicy = Literal["never", "fapi2", "always"]
"""Whose proofs must repeat a nonce of ours."""


class Shown(NamedTuple):
    """A key that somebody has just proved to have."""

    confirmation: Confirmation
    used: tuple[bytes, datetime] | None = None
    """Hash of the proof, and when it is too old to be shown again. None: the TLS handshake was the proof."""
    headers: Sequence[tuple[bytes, bytes]] = ()
    """For the answer: the next nonce, if there is another one by now (RFC 9449 section 8.2)."""


class Possession:
    """Reads and checks the proof of a request."""

    def __init__(
        self, ledger: Ledger, secret_key: SecretKey, *, nonces: NoncePolicy, issuer: str, mtls_url: str
    ) -> None:
        """`mtls_url` is another address of the issuer's endpoints; empty: there is none."""
        self._ledger = ledger
        self._issuer = issuer
        self._mtls_url = mtls_url
        self._nonces = Nonces(secret_key.derive("dpop nonce"))
        self._policy = nonces
        self._read = ProofReader().read

    def of_client(self, request: Request, client: Client, *, uri: str, owed: bool = True) -> Shown | None:
        """The key that a client shows at an endpoint for clients; None: it shows none, and need not.

        `owed`: here it must, if its tokens are bound to a key.

        Raises:
            ProofRequired: its tokens are bound to a key (RFC 9449 section 5.2, FAPI 2.0 section 5.3.2.1).
            CertificateRequired: they are bound to its certificate (RFC 8705 section 3).
            InvalidProof: the proof is not good for this request.
            UseDpopNonce: it lacks the nonce that it must have.
        """
        raw = _header(request)
        if raw is None:
            return self._certified(request, client) if owed else None
        return self._shown(raw, request, uri=uri, access_token=None, fapi2=client.fapi2)

    def of_token(self, request: Request, access_token: str, *, uri: str, fapi2: bool) -> Shown | None:
        """The key that comes with an access token at a resource of ours; None: no proof.

        Raises:
            InvalidProof: the proof is not good for this request and this token.
            UseDpopNonce: it lacks the nonce that it must have.
        """
        raw = _header(request)
        return None if raw is None else self._shown(raw, request, uri=uri, access_token=access_token, fapi2=fapi2)

    def of_connection(self, raw: str, access_token: str, *, addresses: Sequence[str], nonce: str) -> Shown:
        """The key that comes with an access token to the bus: the method of the proof is CONNECT, its address one of
        the bus's, its nonce the one that the bus gave to this connection.

        Raises:
            InvalidProof: the proof is not good for this connection and this token.
        """
        proof, now = self._read(raw.encode()), self._ledger.now()
        address = next((address for address in addresses if same_uri(proof.htu, address)), None)
        if address is None:
            raise InvalidProof("htu is no address of the bus")
        check(proof, method="CONNECT", uri=address, access_token=access_token, now=now)
        if not nonce or not hmac.compare_digest((proof.nonce or "").encode(errors="replace"), nonce.encode()):
            raise InvalidProof("nonce is not the connection's")
        return _used(proof, address)

    def consume(self, connection: Connection, shown: Shown) -> None:
        """Use the proof up, in the unit of work that it is for (RFC 9449 section 11.1).

        Raises:
            InvalidProof: it was shown before.
        """
        if shown.used is None:
            return
        proof_hash, expires_at = shown.used
        if not store.consume(connection, proof_hash, expires_at=expires_at):
            raise InvalidProof("jti was used before")

    @staticmethod
    def _certified(request: Request, client: Client) -> Shown | None:
        """The certificate of a client that sent no proof, if its tokens are to be bound to that."""
        if client.tls_client_certificate_bound_access_tokens or client.fapi2:
            certificate = shown_certificate(request)
            if certificate is not None:
                return Shown(Confirmation(x5t_s256=certificate.x5t_s256))
        if client.tls_client_certificate_bound_access_tokens:
            raise CertificateRequired(client.client_id)
        if client.dpop_bound_access_tokens or client.fapi2:
            raise ProofRequired(client.client_id)
        return None

    def _shown(self, raw: bytes, request: Request, *, uri: str, access_token: str | None, fapi2: bool) -> Shown:
        proof, now = self._read(raw), self._ledger.now()
        alias = uri.replace(self._issuer, self._mtls_url, 1)
        if self._mtls_url and same_uri(proof.htu, alias):
            uri = alias
        check(proof, method=request.method, uri=uri, access_token=access_token, now=now)
        headers: Headers = []
        if self._policy == "always" or (fapi2 and self._policy == "fapi2"):
            current = self._nonces.current(now)
            if proof.nonce is None or not self._nonces.accepts(proof.nonce, now):
                raise UseDpopNonce(nonce=current)
            if proof.nonce != current:
                headers = [(b"dpop-nonce", current.encode())]
        return _used(proof, uri)._replace(headers=headers)


def _used(proof: Proof, uri: str) -> Shown:
    """The key of a good proof, with what is kept so that it is good once."""
    # The same `jti` for another address, or of another key, is another proof.
    proof_hash = hashlib.sha256(f"{proof.jkt}\0{uri}\0{proof.jti}".encode(errors="surrogatepass")).digest()
    expires_at = datetime.fromtimestamp(proof.issued_at, UTC) + OLDEST + AHEAD
    return Shown(Confirmation(jkt=proof.jkt), (proof_hash, expires_at))


def _header(request: Request) -> bytes | None:
    try:
        return request.header(b"dpop")
    except RepeatedParameter as error:
        raise InvalidProof("more than one DPoP header") from error
