"""The worker that polls the issuers that are listened to (RFC 8936): for a house that nobody outside can push to.

What was taken is acknowledged with the next poll. If this process dies between the two, it comes again, and nothing
follows from a copy.
"""

import asyncio
from base64 import b64encode
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import quote_plus

import msgspec

from auth_svc.db import Ledger
from auth_svc.protocol import CLIENT_CREDENTIALS
from auth_svc.signals.incoming import SignalError
from auth_svc.signals.intake import Intake
from auth_svc.signals.upstreams import Polled
from lib_one.http import AsyncClient, HTTPError, InvalidURL, Response
from lib_one.observe import get_logger

LONGEST_POLL: Final = timedelta(seconds=60)
"""For which an answer is waited for."""
_MOST: Final = 50
_SHORTEST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
"""Seconds after an answer that is none."""
_EARLY: Final = timedelta(seconds=10)
"""How long before its end a token is not used any more."""

_log = get_logger(__name__)


class FetchError(Exception):
    """The other issuer did not answer, or something else than what was asked for."""


class _Token(msgspec.Struct, frozen=True):
    access_token: str
    expires_in: int = 60


class _Answer(msgspec.Struct, frozen=True, rename="camel"):
    sets: dict[str, str] = {}
    more_available: bool = False


class FetchWorker:
    """Polls, as long as this process is the one that does."""

    def __init__(self, ledger: Ledger, intake: Intake, web: AsyncClient) -> None:
        """`web` waits for an answer for `LONGEST_POLL` and somewhat longer."""
        self._ledger = ledger
        self._intake = intake
        self._web = web

    async def run(self) -> None:
        """Poll until cancelled; whoever is away is waited for."""
        await self._ledger.database.alone("upstreams", self._work, woken=lambda: None)

    async def _work(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for upstream in self._intake.upstreams.values():
                if upstream.poll is not None:
                    line = _Line(self._ledger, self._intake, self._web, upstream.poll, issuer=upstream.issuer)
                    tasks.create_task(line.run())


class _Line:
    """The way to one issuer, and what is to be said there next."""

    def __init__(self, ledger: Ledger, intake: Intake, web: AsyncClient, polled: Polled, *, issuer: str) -> None:
        self._issuer = issuer
        self._ledger = ledger
        self._intake = intake
        self._web = web
        self._polled = polled
        self._token: tuple[str, datetime] | None = None
        self._taken: list[str] = []
        self._refused: dict[str, dict[str, str]] = {}

    async def run(self) -> None:
        """Poll until cancelled."""
        pause = _SHORTEST_PAUSE
        while True:
            try:
                if await self._poll():
                    pause = _SHORTEST_PAUSE
                    continue
                problem = "a signal whose signature could not be checked"
            except FetchError as error:
                problem = str(error)
            except (HTTPError, InvalidURL) as error:
                problem = type(error).__name__  # its words may quote the address, and an address can hold a secret
            except Exception as error:
                # Whatever it is, the database perhaps: a worker that died would be a silent loss.
                _log.exception("polling broke")
                problem = type(error).__name__
            _log.warning("no signals from upstream", issuer=self._issuer, problem=problem)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _poll(self) -> bool:
        """Say what was taken, wait for more, take it; False if some of it is to be tried again."""
        body = {"maxEvents": _MOST, "ack": self._taken, "setErrs": self._refused}
        headers = {"authorization": f"Bearer {await self._bearer()}", "content-type": "application/json"}
        began = asyncio.get_running_loop().time()
        response = await self._web.post(self._polled.endpoint_url, content=msgspec.json.encode(body), headers=headers)
        if response.status_code == 401:
            self._token = None
        answer = _read(response, _Answer)
        said = {*self._taken, *self._refused}
        self._taken, self._refused = [], {}
        if answer.sets and answer.sets.keys() <= said:
            raise FetchError("what was acknowledged comes again")
        if not answer.sets and asyncio.get_running_loop().time() < began + _SHORTEST_PAUSE:
            await asyncio.sleep(_SHORTEST_PAUSE)  # an issuer that does not wait
        done = True
        for signal_id, token in answer.sets.items():
            try:
                await self._intake.take(token.encode())
                self._taken.append(signal_id)
            except SignalError as error:
                if error.code == "invalid_key":
                    done = False  # its keys may be out of reach just now
                else:
                    self._refused[signal_id] = error.told
        return done

    async def _bearer(self) -> str:
        """The access token, a new one when the last is about to end."""
        now = self._ledger.now()
        if self._token is None or self._token[1] <= now:
            polled = self._polled
            pair = f"{quote_plus(polled.client_id)}:{quote_plus(polled.client_secret)}"
            response = await self._web.post(
                polled.token_endpoint,
                data={"grant_type": CLIENT_CREDENTIALS, "scope": polled.scope},
                headers={"authorization": f"Basic {b64encode(pair.encode()).decode()}"},
            )
            token = _read(response, _Token)
            self._token = token.access_token, now + timedelta(seconds=token.expires_in) - _EARLY
        return self._token[0]


def _read[T](response: Response, kind: type[T]) -> T:
    if response.status_code != 200:
        raise FetchError(f"HTTP {response.status_code}")
    try:
        return msgspec.json.decode(response.content, type=kind)
    except (ValueError, RecursionError) as error:
        raise FetchError("an answer of another shape") from error
