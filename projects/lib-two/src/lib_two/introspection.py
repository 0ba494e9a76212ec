"""Asking the issuer whether a token holds (RFC 7662): an opaque one, or one that the revocation view cannot judge."""

import asyncio
import json

from lib_one import http as web
from lib_two.client_authentication import basic
from lib_two.errors import IssuerUnavailable
from lib_two.metadata import IssuerMetadata

TIMEOUT = 1.0
"""Seconds for an answer, waiting for a free place included."""
CONCURRENCY = 8
"""Questions at a time: an issuer that just came back must not be run over by every guard at once."""


class Introspection:
    """The issuer's introspection endpoint, asked as the resource server that `client_id` names."""

    def __init__(self, metadata: IssuerMetadata, http: web.AsyncClient, *, client_id: str, client_secret: str) -> None:
        self._metadata = metadata
        self._http = http
        self._authorization = basic(client_id, client_secret)
        self._places = asyncio.Semaphore(CONCURRENCY)

    async def active(self, token: str) -> bool:
        """True if the issuer says that the token holds at this moment.

        Raises:
            IssuerUnavailable: no answer in time, or none that is one.
        """
        return await self.claims(token) is not None

    async def claims(self, token: str) -> bytes | None:
        """What the issuer says of a token that holds at this moment, as JSON; None if it does not hold.

        Answers are not kept and not shared: a request may only be let in by a question that was asked after it came.

        Raises:
            IssuerUnavailable: no answer in time, or none that is one.
        """
        try:
            async with asyncio.timeout(TIMEOUT), self._places:
                response = await self._http.post(
                    await self._metadata.endpoint("introspection_endpoint"),
                    data={"token": token, "token_type_hint": "access_token"},
                    headers={"Authorization": self._authorization, "Accept": "application/json"},
                )
        except TimeoutError as error:
            raise IssuerUnavailable("introspection took too long") from error
        except web.HTTPError as error:
            raise IssuerUnavailable(f"introspection: {error!r}") from error
        if response.status_code != 200:
            raise IssuerUnavailable(f"introspection was answered with status {response.status_code}")
        try:
            answer = json.loads(response.content)
        except (ValueError, RecursionError) as error:
            raise IssuerUnavailable("introspection was not answered with JSON") from error
        active = answer.get("active") if isinstance(answer, dict) else None
        if not isinstance(active, bool):
            raise IssuerUnavailable("introspection was answered without `active`")
        return response.content if active else None
