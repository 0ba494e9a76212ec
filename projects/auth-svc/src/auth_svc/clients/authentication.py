"""Who asks: client authentication at the machine endpoints (RFC 6749 section 2.3)."""

import base64
import binascii
import hashlib
import hmac

from auth_svc.clients.assertions import PRIVATE_KEY_JWT, Assertions
from auth_svc.clients.certificates import (
    SELF_SIGNED,
    TLS_METHODS,
    has_registered_name,
    is_valid,
    key_of,
    shown_certificate,
)
from auth_svc.clients.client_keys import ClientKeys
from auth_svc.clients.secrets import secret_hash
from auth_svc.clients.store import Client, Clients
from auth_svc.errors import InvalidClient, InvalidRequest, MalformedEncoding, TwoAuthenticationMethods
from auth_svc.secret_key import KeyedHash
from auth_svc.wire import Form, Request, form_decode
from lib_one.event import Now

METHODS = ("client_secret_basic", "client_secret_post", PRIVATE_KEY_JWT, *TLS_METHODS, "none")
"""For the metadata; those by certificate only where certificates are seen."""
CONFIDENTIAL_METHODS = tuple(method for method in METHODS if method != "none")
FAPI_METHODS = frozenset({PRIVATE_KEY_JWT, *TLS_METHODS})
"""FAPI 2.0 section 5.3.2.1."""
_PROVEN = 1024
"""How many good proofs are remembered."""


class ClientAuthentication:
    """Basic (form-decoded, as RFC 6749 section 2.3.1 says), in the body, by assertion, by certificate, or not at all.

    Each client has one way, the one that it is registered for (OIDC Core section 9).
    """

    def __init__(
        self, clients: Clients, secrets: KeyedHash, assertions: Assertions, keys: ClientKeys, now: Now
    ) -> None:
        self._clients = clients
        self._secrets = secrets
        self._assertions = assertions
        self._keys = keys
        self._now = now
        # What proved a secret, by its hash, with that secret's: good as long as that is the secret. A header saves
        # decoding it as well.
        self._proven: dict[bytes, tuple[str, bytes]] = {}

    async def authenticate(self, request: Request, form: Form) -> Client:
        """Return the client that asks.

        A public client is known by its `client_id` alone: that proves nothing, and what it may do is bound to codes
        and tokens that it must show.

        Raises:
            InvalidClient: unknown, disabled, wrong or missing proof, or another way than the registered one.
            TwoAuthenticationMethods: more than one method in this request.
        """
        authorization = request.header(b"authorization")
        in_body = "client_secret" in form
        if "client_assertion" in form or "client_assertion_type" in form:
            if in_body or authorization is not None:
                raise TwoAuthenticationMethods
            client = await self._assertions.authenticate(form)
        elif authorization is None:
            client_id, secret = form.get("client_id"), form.get("client_secret")
            if client_id is None:
                raise InvalidClient("no client_id")
            if secret is None:
                client = await self._without_a_secret(request, client_id)
            else:
                client, _ = await self._check("client_secret_post", client_id, secret)
        elif in_body:
            raise TwoAuthenticationMethods
        else:
            client = await self._by_header(authorization, form)
        if client.fapi2 and client.grant_types and client.token_endpoint_auth_method not in FAPI_METHODS:
            # A resource server that only introspects is no client in the sense of the profile.
            raise InvalidClient(f"{client.client_id}: the profile wants a proof with a key")
        return client

    async def _by_header(self, authorization: bytes, form: Form) -> Client:
        fingerprint = hashlib.sha256(authorization).digest()
        client_id, proven = self._proven.get(fingerprint, ("", None))
        client = self._clients.find(client_id) if proven is not None else None
        if client is None or proven is None or not self._holds(client, proven):
            client_id, secret = _basic(authorization)
            client, proven = await self._check("client_secret_basic", client_id, secret)
            self._remember(fingerprint, client_id, proven)
        elif client.token_endpoint_auth_method != "client_secret_basic":
            raise InvalidClient(f"{client_id} is registered for {client.token_endpoint_auth_method}")
        if form.get("client_id", client_id) != client_id:
            raise InvalidRequest("client_id differs from the one in the header")
        return client

    async def _without_a_secret(self, request: Request, client_id: str) -> Client:
        """A public client, or one that its connection proves (RFC 8705 section 2)."""
        client = self._clients.find(client_id)
        if client is None or client.token_endpoint_auth_method not in TLS_METHODS:
            return await self._registered_for("none", client_id)
        shown = shown_certificate(request)
        if shown is None or not is_valid(shown, now=self._now()):
            raise InvalidClient(f"{client_id}: no certificate, or one that is not good at this time")
        if client.token_endpoint_auth_method == SELF_SIGNED:
            key = key_of(shown)
            own = key is not None and await self._keys.has(client_id, client, key)
        else:
            own = has_registered_name(client, shown)
        if not own:
            raise InvalidClient(f"{client_id}: not its own certificate")
        return client

    async def _registered_for(self, method: str, client_id: str) -> Client:
        client = await self._clients.look_up(client_id)
        if client is None:
            raise InvalidClient("unknown or disabled client")
        if client.token_endpoint_auth_method != method:
            raise InvalidClient(f"{client_id} is registered for {client.token_endpoint_auth_method}")
        return client

    async def _check(self, method: str, client_id: str, secret: str) -> tuple[Client, bytes]:
        client = await self._registered_for(method, client_id)
        fingerprint = hashlib.sha256(f"{client_id}\0{secret}".encode()).digest()
        known_id, proven = self._proven.get(fingerprint, ("", None))
        if known_id == client_id and proven is not None and self._holds(client, proven):
            return client, proven
        shown = secret_hash(self._secrets, client_id, secret)
        if not self._holds(client, shown):
            raise InvalidClient(f"{client_id}: wrong or expired secret")
        self._remember(fingerprint, client_id, shown)
        return client, shown

    def _holds(self, client: Client, shown: bytes) -> bool:
        """Whether this is the hash of one of its live secrets."""
        now = self._now()
        return any(hmac.compare_digest(secret.secret_hash, shown) and secret.live(now) for secret in client.secrets)

    def _remember(self, fingerprint: bytes, client_id: str, shown: bytes) -> None:
        if len(self._proven) >= _PROVEN:
            self._proven.clear()
        self._proven[fingerprint] = (client_id, shown)


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
