"""/client_registration: POST registers a client, GET, PUT and DELETE with its token look after it (RFC 7591, 7592)."""

import math
from collections.abc import Callable
from typing import Any, Literal
from urllib.parse import quote

from auth_svc import clients
from auth_svc.clients import (
    Client,
    ClientRegistration,
    Clients,
    NewClient,
    RegistrationError,
    fetched_sector_problem,
)
from auth_svc.db import Connection, Ledger
from auth_svc.errors import (
    AccessDenied,
    InvalidToken,
    OAuthError,
    TooManyRequests,
)
from auth_svc.registration import flow, store
from auth_svc.registration.ending import delete_client
from auth_svc.registration.flow import InvalidClientMetadata
from auth_svc.registration.statements import SoftwareStatements
from auth_svc.resources import Resources
from auth_svc.revocation import Revocation
from auth_svc.secret_key import SecretKey, new_token
from auth_svc.signin import Limit, TooManyAttempts, network_of, take_attempt
from auth_svc.wire import NO_STORE, Endpoint, Request, Response, error_response, json_response
from lib_one.contracts.auth import ClientChanged
from lib_one.http import AsyncClient

type Registering = Literal["closed", "token", "open"]

_CHALLENGE = (b"www-authenticate", b'Bearer realm="auth-svc"')


class RegistrationEndpoint:
    """Registration and its management, at one address: the client's is told apart by its query."""

    def __init__(
        self,
        ledger: Ledger,
        known: Clients,
        registration: ClientRegistration,
        resources: Resources,
        revocation: Revocation,
        statements: SoftwareStatements,
        outside: AsyncClient,
        secret_key: SecretKey,
        *,
        uri: str,
        registering: Registering,
    ) -> None:
        self._ledger = ledger
        self._clients = known
        self._registration = registration
        self._resources = resources
        self._revocation = revocation
        self._statements = statements
        self._outside = outside
        self._limit_hash = secret_key.hasher("registration limit")
        self._uri = uri
        self._registering = registering
        self.endpoint = Endpoint({"POST": self.register, "GET": self.read, "PUT": self.change, "DELETE": self.delete})

    async def register(self, request: Request) -> Response:
        """Register a client (RFC 7591 section 3)."""
        token = _bearer(request)
        if self._registering == "closed":
            return error_response(AccessDenied("registration is closed"), status=403)
        if self._registering == "token" and token is None:
            return _challenged(InvalidToken("no initial access token"))
        said = flow.read(await request.body())
        secret, management = new_token(), new_token()
        new = self._wanted(said, client_id=flow.new_client_id(), secret=secret)
        limits = self._limits(request)

        def admit(connection: Connection) -> None:
            now = self._ledger.now()
            if token is None:
                take_attempt(connection, limits, now=now)
            elif not store.is_invited(connection, token, now=now):
                raise InvalidToken("an initial access token that is none, expired or used up")

        def unit(connection: Connection) -> Client:
            now = self._ledger.now()
            if token is not None:
                if not store.use_invitation(connection, token, now=now):
                    raise InvalidToken("an initial access token that is none, expired or used up")
            else:
                take_attempt(connection, limits, now=now)
            self._registration.add(connection, new)
            store.keep(connection, new.client_id, token=management, now=now)
            return _found(connection, new.client_id)

        try:
            await self._check_sector(new, admit)
            client = await self._ledger.database.work(unit)
        except InvalidToken as error:
            return _challenged(error)
        except RegistrationError as error:
            raise InvalidClientMetadata(str(error), member=error.member) from error
        except TooManyAttempts as error:
            raise _too_many(error) from error
        return self._answer(client, management, secret=new.secret, status=201)

    async def read(self, request: Request) -> Response:
        """Say what is registered (RFC 7592 section 2.1)."""
        try:
            client, token = self._authorized(request)
        except InvalidToken as error:
            return _challenged(error)
        return self._answer(client, token)

    async def change(self, request: Request) -> Response:
        """Replace what is registered (RFC 7592 section 2.2): what is left out is as if it had never been said.

        A client with a secret repeats it, or gets another one.
        """
        try:
            client, token = self._authorized(request)
        except InvalidToken as error:
            return _challenged(error)
        said = flow.read(await request.body())
        if said.get("client_id") != client.client_id:
            raise InvalidClientMetadata("client_id is missing or another", member="client_id")
        for name in sorted(flow.READ_ONLY.intersection(said)):
            raise InvalidClientMetadata(f"{name} is read-only", member=name)
        repeated = said.get("client_secret")
        if repeated is not None and not (
            isinstance(repeated, str) and self._registration.holds_secret(client, repeated)
        ):
            raise InvalidClientMetadata("client_secret is not the client's", member="client_secret")
        secret = repeated or new_token()
        new = self._wanted(said, client_id=client.client_id, secret=secret)

        def unit(connection: Connection) -> Client:
            if self._registration.ensure(connection, new):
                self._revocation.revoke_client(connection, client.client_id)
            self._ledger.outbox.record(connection, ClientChanged(client_id=client.client_id))
            return _found(connection, client.client_id)

        def admit(connection: Connection) -> None:
            take_attempt(connection, limits, now=self._ledger.now())

        limits = self._limits(request)
        try:
            await self._check_sector(new, admit)
            changed = await self._ledger.database.work(unit)
        except RegistrationError as error:
            raise InvalidClientMetadata(str(error), member=error.member) from error
        except TooManyAttempts as error:
            raise _too_many(error) from error
        self._clients.forget(client.client_id)
        return self._answer(changed, token, secret=None if repeated else new.secret)

    async def delete(self, request: Request) -> Response:
        """End a registration, and all that was issued (RFC 7592 section 2.3). The id is never given again."""
        try:
            client, _ = self._authorized(request)
        except InvalidToken as error:
            return _challenged(error)

        await self._ledger.database.work(
            lambda c: delete_client(c, client.client_id, ledger=self._ledger, revocation=self._revocation)
        )
        self._clients.forget(client.client_id)
        return Response(204, NO_STORE, b"")

    def _wanted(self, said: dict[str, Any], *, client_id: str, secret: str) -> NewClient:
        statement, scopes = self._statements.read(said), self._resources.catalogue.scopes
        return flow.wanted(said, client_id=client_id, secret=secret, scopes=scopes, statement=statement)

    def _limits(self, request: Request) -> tuple[tuple[bytes, Limit], ...]:
        network = network_of((request.scope.get("client") or ("",))[0])
        return (self._limit_hash(network), flow.FROM_ONE_ADDRESS), (self._limit_hash("all"), flow.IN_ALL)

    async def _check_sector(self, new: NewClient, admit: Callable[[Connection], None]) -> None:
        """Hold a client against what its sector lists, if it names one. Who is not admitted makes us fetch nothing."""
        if new.sector_identifier_uri is None:
            return
        await self._ledger.database.work(admit)
        problem = await fetched_sector_problem(new, self._outside)
        if problem is not None:
            raise InvalidClientMetadata(problem, member="sector_identifier_uri")

    def _authorized(self, request: Request) -> tuple[Client, str]:
        """The client that the address names, if the token is its own. A wrong id and a wrong token look the same."""
        token, client_id = _bearer(request), request.query().get("client_id")
        if token is None or client_id is None:
            raise InvalidToken("no token, or no client_id")

        def ask(connection: Connection) -> Client | None:
            if store.registered_at(connection, client_id, token=token) is None:
                return None
            return clients.find(connection, client_id)

        client = self._ledger.database.lookup(ask)
        if client is None or client.disabled:
            raise InvalidToken("not the token of an enabled client")
        return client, token

    def _answer(self, client: Client, token: str, *, secret: str | None = None, status: int = 200) -> Response:
        answer: dict[str, Any] = flow.information(client)

        def ask(connection: Connection) -> int:
            moment = store.registered_at(connection, client.client_id, token=token)
            return 0 if moment is None else int(moment.timestamp())

        answer["client_id_issued_at"] = self._ledger.database.lookup(ask)
        answer["registration_access_token"] = token
        answer["registration_client_uri"] = f"{self._uri}?client_id={quote(client.client_id, safe='')}"
        if secret is not None:
            answer |= {"client_secret": secret, "client_secret_expires_at": 0}
        return json_response(answer, status=status)


def _too_many(error: TooManyAttempts) -> TooManyRequests:
    return TooManyRequests("registrations", retry_after=math.ceil(error.wait.total_seconds()))


def _found(connection: Connection, client_id: str) -> Client:
    client = clients.find(connection, client_id)
    if client is None:
        raise LookupError(client_id)
    return client


def _bearer(request: Request) -> str | None:
    header = request.header(b"authorization")
    if header is None:
        return None
    scheme, _, token = header.partition(b" ")
    token = token.strip()
    return token.decode() if scheme.lower() == b"bearer" and token and token.isascii() else ""


def _challenged(error: OAuthError) -> Response:
    name, value = _CHALLENGE
    return error_response(error, [(name, value + f', error="{error.code}"'.encode())])
