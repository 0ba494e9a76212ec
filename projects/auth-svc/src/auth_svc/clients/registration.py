"""Registration of clients by the operator: what a client may be, and the verbs to add and change one."""

import hmac
from collections.abc import Collection, Iterable
from uuid import UUID

import msgspec

from auth_svc.clients import secrets, store
from auth_svc.clients.assertions import ASSERTION_ALGORITHMS, PRIVATE_KEY_JWT
from auth_svc.clients.authentication import METHODS
from auth_svc.clients.backchannel import backchannel_problems
from auth_svc.clients.certificates import TLS_METHODS, name_problems
from auth_svc.clients.client_keys import usable_keys
from auth_svc.clients.fapi2 import fapi2_problems
from auth_svc.clients.logout_addresses import logout_address_problems
from auth_svc.clients.metadata import ClientMetadata, Profile
from auth_svc.clients.problem import Problem
from auth_svc.clients.redirects import is_document_id, redirect_uri_problem
from auth_svc.clients.sectors import sector_problems
from auth_svc.db import Connection, Ledger
from auth_svc.keys import ALGORITHMS
from auth_svc.protocol import (
    AUTHORIZATION_CODE,
    CIBA,
    CLIENT_CREDENTIALS,
    DEVICE_CODE,
    JWT_BEARER,
    REFRESH_TOKEN,
    TOKEN_EXCHANGE,
)
from auth_svc.resources import Resources
from auth_svc.secret_key import KeyedHash, new_token
from lib_one.contracts.auth import ClientRegistered
from lib_one.errors import SubjectError
from lib_one.event import subject_token

SHORTEST_SECRET = 32
"""Characters. `new_secret` makes 43; a fast hash is only enough for what nobody can guess."""
LONGEST_GRACE = 60
"""Seconds. Parallel requests come within a few; the longer it is, the longer a thief may use a copy unseen."""
GRANT_TYPES = (AUTHORIZATION_CODE, REFRESH_TOKEN, CLIENT_CREDENTIALS, DEVICE_CODE, TOKEN_EXCHANGE, JWT_BEARER, CIBA)


_SIGNED_BY_US = (
    "id_token_signed_response_alg",
    "authorization_signed_response_alg",
    "userinfo_signed_response_alg",
    "introspection_signed_response_alg",
)


class RegistrationError(Exception):
    """This cannot be registered; the message says why."""

    def __init__(self, message: str, *, member: str | None = None) -> None:
        super().__init__(message)
        self.member = member
        """Which of the metadata is to be changed, if it is one."""


class NewClient(ClientMetadata, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an operator or a seed file says about a client."""

    client_id: str
    grant_types: tuple[str, ...] = ()
    secret: str | None = None
    """At least 32 characters."""


FIRST_PARTY = tuple(
    NewClient(
        client_id=client_id,
        client_name=name,
        application_type="native",
        token_endpoint_auth_method="none",
        grant_types=(AUTHORIZATION_CODE, REFRESH_TOKEN, DEVICE_CODE),
        scope="openid profile email offline_access shipments:read shipments:write shipments:scan shipments:admin admin",
        redirect_uris=("http://127.0.0.1/callback", "http://[::1]/callback"),
    )
    for client_id, name in (("cli-proj", "Command line"), ("gui-proj", "Shipment board"))
)
"""The applications of the house: public, because nothing that is installed can keep a secret (RFC 8252 section 8.4)."""


def new_secret() -> str:
    """256 random bits, 43 characters."""
    return new_token()


class ClientRegistration:
    """Adds, changes, disables and enables clients."""

    def __init__(
        self,
        ledger: Ledger,
        resources: Resources,
        secrets: KeyedHash,
        *,
        profile: Profile,
        tls_methods: Collection[str],
    ) -> None:
        """`profile`: the rules for clients that are registered without one. `tls_methods`: those that can work here."""
        self._ledger = ledger
        self._profile = profile
        self._resources = resources
        self._secrets = secrets
        self._tls_methods = tls_methods

    def add(self, connection: Connection, new: NewClient) -> None:
        """Register a client.

        Raises:
            RegistrationError: the id is taken, or the metadata do not fit together.
        """
        client = self._client(connection, new)
        if store.find(connection, client.client_id) is not None:
            raise RegistrationError(f"the client id {client.client_id} is taken")
        now = self._ledger.now()
        store.add(connection, client, now=now)
        secrets.replace_all(connection, client.client_id, self._hash(new), now=now)
        self._ledger.outbox.record(
            connection,
            ClientRegistered(
                client_id=client.client_id, confidential=client.confidential, grant_types=client.grant_types
            ),
        )

    def ensure(self, connection: Connection, new: NewClient) -> bool:
        """Make the client be as described, new or changed. A disabled one stays disabled.

        True if it has another secret than before, or has lost a scope: what was issued to it is to be revoked, in the
        same unit of work.

        Raises:
            RegistrationError: the metadata do not fit together.
        """
        client = self._client(connection, new)
        known = store.find(connection, client.client_id)
        if known is None:
            self.add(connection, new)
            return False
        kept = {name: getattr(known, name) for name in ("disabled", "deleted", "revoked_at", "secrets")}
        if msgspec.structs.replace(client, **kept) != known:
            store.change(connection, client)
        now, hashed = self._ledger.now(), self._hash(new)
        # One of several is enough: an operator may be in the middle of changing it.
        held = {secret.secret_hash for secret in known.secrets if secret.live(now)}
        other_secret = hashed not in held if hashed is not None else bool(held)
        if other_secret:
            secrets.replace_all(connection, client.client_id, hashed, now=now)
        return other_secret or not set(known.scopes) <= set(client.scopes)

    def holds_secret(self, client: store.Client, secret: str) -> bool:
        """Whether this is a live secret of the client."""
        shown, now = secrets.secret_hash(self._secrets, client.client_id, secret), self._ledger.now()
        return any(hmac.compare_digest(held.secret_hash, shown) and held.live(now) for held in client.secrets)

    def _client(self, connection: Connection, new: NewClient) -> store.Client:
        problems = list(_problems(new, self._resources.read(connection).scopes))
        if new.token_endpoint_auth_method in TLS_METHODS and new.token_endpoint_auth_method not in self._tls_methods:
            text = f"{new.token_endpoint_auth_method}: no proxy tells this server of the client's certificate"
            problems.append(Problem("token_endpoint_auth_method", text))
        if (new.profile or self._profile) == "fapi2":
            problems.extend(fapi2_problems(new))
        if problems:
            said = "; ".join(problem.text for problem in problems)
            raise RegistrationError(f"client {new.client_id[:140]!r}: {said}", member=problems[0].member)
        described = {name: getattr(new, name) for name in ClientMetadata.__struct_fields__}
        return store.Client(client_id=new.client_id, **described)

    def _hash(self, new: NewClient) -> bytes | None:
        return None if new.secret is None else secrets.secret_hash(self._secrets, new.client_id, new.secret)


def _problems(new: NewClient, scopes: Iterable[str]) -> Iterable[Problem]:
    if not is_document_id(new.client_id):
        try:
            subject_token(new.client_id)
        except SubjectError as error:
            yield Problem("client_id", str(error))
    if _looks_like_a_uuid(new.client_id):
        # `sub` of client credentials is the client id, and user ids are UUIDs: they must never be the same.
        yield Problem("client_id", "an id must not look like a UUID (RFC 9700 section 4.15)")
    if not new.client_name.strip() or not new.client_name.isprintable():
        yield Problem("client_name", "the name is empty or has control characters")
    if new.token_endpoint_auth_method not in METHODS:
        yield Problem("token_endpoint_auth_method", f"unknown authentication method {new.token_endpoint_auth_method!r}")
    elif new.token_endpoint_auth_method.startswith("client_secret_") != (new.secret is not None):
        yield Problem(
            "token_endpoint_auth_method", f"{new.token_endpoint_auth_method} and the secret do not fit together"
        )
    yield from name_problems(new)
    yield from _key_problems(new)
    if new.secret is not None and len(new.secret) < SHORTEST_SECRET:
        yield Problem("client_secret", f"the secret is shorter than {SHORTEST_SECRET} characters")
    for unknown in set(new.grant_types) - set(GRANT_TYPES):
        yield Problem("grant_types", f"unknown grant type {unknown!r}")
    for unknown in set(new.scope.split()) - set(scopes):
        yield Problem("scope", f"unknown scope {unknown!r}")
    if CLIENT_CREDENTIALS in new.grant_types and not new.confidential:
        yield Problem("grant_types", "client_credentials is for confidential clients only (RFC 6749 section 4.4)")
    if not {TOKEN_EXCHANGE, JWT_BEARER, CIBA}.isdisjoint(new.grant_types) and not new.confidential:
        yield Problem(
            "grant_types", "token exchange, assertions and backchannel authentication are for confidential clients only"
        )
    if AUTHORIZATION_CODE in new.grant_types and not new.redirect_uris:
        yield Problem("redirect_uris", "authorization_code needs a redirect URI")
    if new.rotate_refresh_tokens is False and not new.confidential:
        yield Problem("rotate_refresh_tokens", "refresh tokens of public clients rotate (OAuth 2.1 section 4.3.1)")
    if not 0 <= new.refresh_grace <= LONGEST_GRACE:
        yield Problem("refresh_grace", f"refresh_grace is 0 to {LONGEST_GRACE} seconds")
    for name in _SIGNED_BY_US:
        if getattr(new, name) not in {None, *ALGORITHMS}:
            yield Problem(name, f"unknown algorithm {getattr(new, name)!r}")
    for uri in new.redirect_uris:
        problem = redirect_uri_problem(uri)
        if problem is not None:
            yield Problem("redirect_uris", f"redirect URI {uri[:200]!r}: {problem}")
    yield from sector_problems(new)
    yield from logout_address_problems(new)
    yield from backchannel_problems(new)


def _key_problems(new: NewClient) -> Iterable[Problem]:
    if new.jwks is not None and new.jwks_uri is not None:
        yield Problem("jwks_uri", "jwks and jwks_uri exclude each other (RFC 7591 section 2)")
    if new.jwks is not None:
        try:
            if not usable_keys(new.jwks):
                yield Problem("jwks", "jwks has no key that can be used")
        except ValueError:
            yield Problem("jwks", "jwks is no JWK Set")
    if new.jwks_uri is not None and not new.jwks_uri.startswith(("https://", "http://127.0.0.1", "http://[::1]")):
        yield Problem("jwks_uri", "jwks_uri is an https address")
    if new.token_endpoint_auth_method == PRIVATE_KEY_JWT and new.jwks is None and new.jwks_uri is None:
        yield Problem("jwks", f"{PRIVATE_KEY_JWT} needs jwks or jwks_uri")
    if new.require_signed_request_object and new.jwks is None and new.jwks_uri is None:
        yield Problem("jwks", "require_signed_request_object needs jwks or jwks_uri")
    for name in ("token_endpoint_auth_signing_alg", "request_object_signing_alg"):
        if getattr(new, name) not in {None, *ASSERTION_ALGORITHMS}:
            yield Problem(name, f"unknown algorithm {getattr(new, name)!r}")


def _looks_like_a_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
