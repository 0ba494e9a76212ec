"""Clients whose id is the address of their metadata (draft-ietf-oauth-client-id-metadata-document).

A client that has never been here names itself by an https address. What is there says who it is, and is believed for as
long as its cache headers say. The address proves whose it is, so nothing needs to be registered before.
"""

import asyncio
from collections import deque
from datetime import datetime, timedelta
from typing import Final

import msgspec

from auth_svc.clients import (
    PRIVATE_KEY_JWT,
    ClientRegistration,
    RegistrationError,
    fetched_sector_problem,
    freshness,
    is_document_id,
)
from auth_svc.db import Connection, Ledger
from auth_svc.errors import OAuthError
from auth_svc.registration import flow
from auth_svc.resources import Resources
from auth_svc.revocation import Revocation
from lib_one.http import AsyncClient, HTTPError, InvalidURL, Response
from lib_one.observe import get_logger

PATIENCE: Final = timedelta(seconds=30)
"""Between two fetches of one address, whoever asks for it."""
FETCHES: Final = 120
"""Fetches in a minute, of all addresses together: strangers must not make this server busy with strangers."""
_STALE: Final = timedelta(days=1)
"""How much longer a document is believed while its address does not answer."""
_MOST: Final = 10_000
_LARGEST: Final = 16 * 1024

_log = get_logger(__name__)


class _Known(msgspec.Struct):
    asked_at: datetime
    fresh_until: datetime
    good_until: datetime


class ClientDocuments:
    """Fetches the documents, and keeps what they say like any other registration."""

    def __init__(
        self,
        ledger: Ledger,
        outside: AsyncClient,
        registration: ClientRegistration,
        resources: Resources,
        revocation: Revocation,
    ) -> None:
        self._ledger = ledger
        self._outside = outside
        self._registration = registration
        self._resources = resources
        self._revocation = revocation
        self._known: dict[str, _Known] = {}
        self._fetching: dict[str, asyncio.Lock] = {}
        self._fetched: deque[datetime] = deque()

    async def learn(self, client_id: str) -> bool:
        """Whether there is a client with this address as its id. It is registered, or brought up to date, by this."""
        if not is_document_id(client_id):
            return False
        known, now = self._known.get(client_id), self._ledger.now()
        if known is None or (now >= known.fresh_until and now >= known.asked_at + PATIENCE):
            lock = self._fetching.setdefault(client_id, asyncio.Lock())
            try:
                async with lock:
                    if self._known.get(client_id) is known:
                        await self._fetch(client_id, known)
            finally:
                if not lock.locked():
                    self._fetching.pop(client_id, None)
            known = self._known.get(client_id)
        return known is not None and now < known.good_until

    async def _fetch(self, client_id: str, known: _Known | None) -> None:
        now = self._ledger.now()
        while self._fetched and self._fetched[0] <= now - timedelta(minutes=1):
            self._fetched.popleft()
        if len(self._fetched) >= FETCHES:
            _log.warning("too many client documents in a minute", client_id=client_id)
            return
        self._fetched.append(now)
        try:
            response = await self._outside.get(client_id, headers={"accept": "application/json"})
            if response.status_code >= 500:
                raise ValueError(f"status {response.status_code}")
        except (HTTPError, InvalidURL, ValueError) as error:
            _log.warning("client document away", client_id=client_id, error=f"{type(error).__name__}: {error}")
            self._keep(client_id, _Known(now, now, now if known is None else known.good_until))
            return
        try:
            await self._register(client_id, response)
        except (OAuthError, RegistrationError) as error:
            _log.warning("client document refused", client_id=client_id, error=str(error))
            self._keep(client_id, _Known(now, now, now))
            return
        fresh_until = now + freshness(response.headers.get("cache-control", ""))
        self._keep(client_id, _Known(now, fresh_until, fresh_until + _STALE))

    async def _register(self, client_id: str, response: Response) -> None:
        if response.status_code != 200 or "json" not in response.headers.get("content-type", "").partition(";")[0]:
            raise RegistrationError(f"status {response.status_code}, or no JSON")
        if len(response.content) > _LARGEST:
            raise RegistrationError("too large")
        said = flow.read(response.content)
        if said.get("client_id") != client_id:
            raise RegistrationError("client_id is not the address of the document")
        if not said.get("client_name") or not said.get("redirect_uris"):
            raise RegistrationError("client_name or redirect_uris is missing")
        if "client_secret" in said or "client_secret_expires_at" in said:
            raise RegistrationError("a secret that everybody can read")
        # Where nothing is secret, the default of RFC 7591 makes no sense.
        if said.setdefault("token_endpoint_auth_method", "none") not in ("none", PRIVATE_KEY_JWT):
            raise RegistrationError("a method with a secret")
        new = flow.wanted(said, client_id=client_id, secret=None, scopes=self._resources.catalogue.scopes)
        problem = await fetched_sector_problem(new, self._outside)
        if problem is not None:
            raise RegistrationError(problem)

        def unit(connection: Connection) -> None:
            if self._registration.ensure(connection, new):
                self._revocation.revoke_client(connection, client_id)

        await self._ledger.database.work(unit)

    def _keep(self, client_id: str, known: _Known) -> None:
        if len(self._known) >= _MOST and client_id not in self._known:
            self._known.pop(next(iter(self._known)))
        self._known[client_id] = known
