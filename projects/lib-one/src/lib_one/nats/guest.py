"""One connection to the bus with an access token: what programs of people use. It is silent in the services' log."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple

from nats.aio.msg import Msg
from nats.errors import SlowConsumerError

from lib_one.errors import BusUnavailableError
from lib_one.nats.presence import ServiceStanding, standings_in
from lib_one.nats.session import Session

HELD = 10_000
"""Messages that wait for their reader; with one more the connection is given up, since then something is lost."""

_log = logging.getLogger(__name__)


class Heard(NamedTuple):
    """A message, as far as a guest needs it."""

    subject: str
    headers: dict[str, str]
    body: bytes


class Guest:
    """A connection that is ended by its token, by a revocation, by the network, or by `close`; never made again."""

    def __init__(self) -> None:
        self._session = _QuietSession()
        self._heard: asyncio.Queue[Heard | None] = asyncio.Queue(HELD)
        self._lost = False

    async def enter(
        self, url: str, *, token: str, subjects: Sequence[str], sign: Callable[[str], str] | None = None
    ) -> None:
        """Connect and listen, or raise. `url` begins with `nats://`, `tls://`, `ws://` or `wss://`.

        `sign` makes the proof that a bound token needs, of the nonce that the server gives to this connection.

        Raises:
            BusUnavailableError: nobody is there, or the door stays shut.
        """
        self._session.on_refusal(lambda _: self._session.end())
        self._session.on_end(self._over)
        try:
            await self._session.open(url, name="guest", token=token, sign=sign)
            for subject in subjects:
                await self._session.subscribe(subject, self._receive)
        except Exception as error:  # whatever it is, there is another way to hear what is wanted
            raise BusUnavailableError(f"{url}: {error!r}") from error

    async def next(self, timeout: float) -> Heard:
        """The next message.

        Raises:
            BusUnavailableError: there will be none: the connection has ended, or was silent for `timeout` seconds.
        """
        try:
            async with asyncio.timeout(timeout):
                heard = await self._heard.get()
        except TimeoutError:
            raise BusUnavailableError("the bus is silent") from None
        if heard is None or self._lost:
            raise BusUnavailableError("the connection has ended")
        return heard

    async def standings(self) -> list[ServiceStanding]:
        """How every service stands that is on the bus, for whoever may ask.

        Raises:
            BusUnavailableError: the connection has ended, or may not ask.
        """
        found = await standings_in(self._session)
        if self._session.ended.is_set():
            raise BusUnavailableError("the connection has ended")
        return found

    async def close(self) -> None:
        """Leave."""
        await self._session.close(drain=False)

    def _receive(self, message: Msg) -> None:
        try:
            self._heard.put_nowait(Heard(message.subject, dict(message.headers or {}), message.data))
        except asyncio.QueueFull:
            self._lost = True
            self._session.end()

    def _over(self) -> None:
        if not self._heard.full():
            self._heard.put_nowait(None)
        else:
            self._lost = True


class _QuietSession(Session):
    async def close(self, *, drain: bool) -> None:
        try:
            await super().close(drain=drain)
        finally:
            self._bury()  # also for a program that ends, and does not wait for us

    async def _failed(self, error: Exception) -> None:
        _log.debug("nats: %r", error)
        if isinstance(error, SlowConsumerError):
            self.end()
        elif "permissions violation" in str(error):
            self.refused(str(error))
        elif not self.client.is_connecting and self.client.is_closed:
            self.end()
