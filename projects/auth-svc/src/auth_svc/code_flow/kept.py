"""Where a request is while its person decides: in the browser, signed, or, if it was pushed, here."""

from datetime import timedelta

import msgspec

from auth_svc.clients import Client, Clients
from auth_svc.code_flow import store
from auth_svc.code_flow.request import AuthorizationRequest
from auth_svc.db import Ledger
from auth_svc.secret_key import SecretKey, token_hash
from auth_svc.web import PageProblem, Seal, SealBrokenError

REQUEST_URI = "urn:ietf:params:oauth:request_uri:"
"""What the references of RFC 9126 section 2.2 begin with."""
_LIFE = timedelta(hours=1)
"""How long a person may take."""


class _Reference(msgspec.Struct, frozen=True, array_like=True):
    """A request, or under which hash it was pushed: what was pushed is nothing for the browser."""

    request: AuthorizationRequest | None = None
    pushed: bytes | None = None


class KeptRequests:
    """Requests that passed every check and are not decided yet, by the text that the browser carries for each."""

    def __init__(self, ledger: Ledger, clients: Clients, secret_key: SecretKey) -> None:
        self._ledger = ledger
        self._clients = clients
        self._seal = Seal(secret_key.derive("authorization request"), shape=_Reference, life=_LIFE, now=ledger.now)

    def keep(self, asked: AuthorizationRequest) -> str:
        """Return the text for a request that came through the browser."""
        return self._seal.close(_Reference(request=asked))

    async def take(self, request_uri: str, client_id: str) -> str:
        """Return the text for a pushed request, which is used up by this (RFC 9126 section 4).

        Raises:
            PageProblem: it is unknown, expired, used or another client's.
        """
        hashed = token_hash(request_uri.removeprefix(REQUEST_URI))
        now = self._ledger.now()
        if not await self._ledger.database.work(lambda c: store.take_pushed(c, hashed, client_id=client_id, now=now)):
            raise _expired()
        return self._seal.close(_Reference(pushed=hashed))

    async def open(self, text: str) -> tuple[AuthorizationRequest, Client]:
        """Return the request that `text` stands for, and its client.

        Raises:
            PageProblem: it has expired, or its client may no longer be answered there.
        """
        try:
            found = self._seal.open(text)
        except SealBrokenError as error:
            raise _expired() from error
        asked, pushed = found.request, found.pushed
        if pushed is not None:
            asked = await self._ledger.database.read(lambda c: store.find_taken(c, pushed))
        if asked is None:
            raise _expired()
        client = self._clients.find(asked.client_id)
        if client is None or not client.accepts_redirect(asked.redirect_uri):
            raise PageProblem(400, "Unknown application", "The application that sent you here is no longer registered.")
        return asked, client


def _expired() -> PageProblem:
    return PageProblem(
        400,
        "This request has expired",
        "It was started too long ago, was used already, or its address was not copied whole. "
        "Go back to the application that you came from and start again.",
    )
