"""Who asks: client authentication at the machine endpoints (RFC 6749 section 2.3)."""

import base64
import binascii
import hashlib

from auth_svc.clients.store import Client, Clients
from auth_svc.errors import InvalidClient, InvalidRequest, MalformedEncoding, TwoAuthenticationMethods
from auth_svc.secret_key import KeyedHash
from auth_svc.wire import Form, Request, form_decode

METHODS = ("client_secret_basic", "client_secret_post", "none")
"""For the metadata."""
CONFIDENTIAL_METHODS = METHODS[:2]
_PROVEN = 1024
"""How many good proofs are remembered."""


class ClientAuthentication:
    """Basic (form-decoded, as RFC 6749 section 2.3.1 says), in the body, or none for public clients."""

    def __init__(self, clients: Clients, secrets: KeyedHash) -> None:
        self._clients = clients
        self._secrets = secrets
        # What proved a secret, by its hash, with that secret's: good as long as that is the secret. A header saves
        # decoding it as well.
        self._proven: dict[bytes, tuple[str, bytes]] = {}

    def authenticate(self, request: Request, form: Form) -> Client:
        """Return the client that asks.

        A public client is known by its `client_id` alone: that proves nothing, and what it may do is bound to codes
        and tokens that it must show.

        Raises:
            InvalidClient: unknown, disabled, wrong or missing secret, or a secret where there is none.
            TwoAuthenticationMethods: more than one method in this request.
        """
        authorization = request.header(b"authorization")
        in_body = "client_secret" in form
        if "client_assertion" in form or "client_assertion_type" in form:
            raise (
                TwoAuthenticationMethods if in_body or authorization else InvalidClient("assertions are not supported")
            )
        if authorization is None:
            client_id, secret = form.get("client_id"), form.get("client_secret")
            if client_id is None:
                raise InvalidClient("no client_id")
            return self._check(client_id, secret)
        if in_body:
            raise TwoAuthenticationMethods
        fingerprint = hashlib.sha256(authorization).digest()
        client_id, proven = self._proven.get(fingerprint, ("", None))
        client = self._clients.find(client_id) if proven is not None else None
        if client is None or client.secret_hash != proven:
            client_id, secret = _basic(authorization)
            client = self._check(client_id, secret)
            self._remember(fingerprint, client)
        if form.get("client_id", client_id) != client_id:
            raise InvalidRequest("client_id differs from the one in the header")
        return client

    def _check(self, client_id: str, secret: str | None) -> Client:
        client = self._clients.find(client_id)
        if client is None:
            raise InvalidClient("unknown or disabled client")
        if client.secret_hash is None:
            if secret is not None:
                raise InvalidClient(f"{client_id} is public and has no secret")
        elif secret is None:
            raise InvalidClient(f"{client_id}: missing secret")
        else:
            fingerprint = hashlib.sha256(f"{client_id}\0{secret}".encode()).digest()
            if self._proven.get(fingerprint) != (client_id, client.secret_hash):
                if not self._secrets.matches(f"{client_id}\0{secret}", client.secret_hash):
                    raise InvalidClient(f"{client_id}: wrong secret")
                self._remember(fingerprint, client)
        return client

    def _remember(self, fingerprint: bytes, client: Client) -> None:
        if client.secret_hash is not None:
            if len(self._proven) >= _PROVEN:
                self._proven.clear()
            self._proven[fingerprint] = (client.client_id, client.secret_hash)


def secret_hash(secrets: KeyedHash, client_id: str, secret: str) -> bytes:
    """Hash a client's secret for keeping; the id goes in, so that equal secrets do not look equal."""
    return secrets(f"{client_id}\0{secret}")


def _basic(header: bytes) -> tuple[str, str]:
    scheme, _, encoded = header.partition(b" ")
    if scheme.lower() != b"basic":
        raise InvalidClient("another scheme than Basic")
    try:
        credentials = base64.b64decode(encoded.strip(), validate=True)
        client_id, colon, secret = credentials.partition(b":")
        if not colon or not credentials.isascii() or not credentials.decode().isprintable():
            raise InvalidClient("no colon in the credentials, or they are not form-encoded")
        return form_decode(client_id), form_decode(secret)
    except (binascii.Error, MalformedEncoding) as error:
        raise InvalidClient("malformed credentials") from error
