"""One connection to NATS that never gives up: it connects, and connects again, for as long as the process lives.

Each time the connection stands it is a new `Session`, with a client of its own. What was subscribed or awaited in a
session ends with it, so nothing half-alive is carried over: whoever needs the bus takes the next session and begins
anew. (nats-py can reconnect by itself, but then it sends what was buffered meanwhile, closes for good on some errors,
and does not know that a JetStream subscription has to start over.)
"""

import asyncio
import contextlib
import secrets
import ssl
from itertools import cycle
from pathlib import Path

import nkeys  # type: ignore[import-untyped]

from lib_one.nats.addresses import addresses
from lib_one.nats.session import Session
from lib_one.observe import get_logger

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 1.0
"""Seconds between rounds of attempts to connect: the pause doubles from the first to the longest."""

log = get_logger(__name__)


class NatsConnection:
    """The process's connection to NATS.

    Args:
        url: `nats://host:port`, or `tls://host:port` where the server must prove who it is and nothing is plain.
            Those of a cluster with commas between: when one node is lost, the next one is tried.
        name: The service's name, such as `auth-svc`: shown by the server's monitoring, and the service's inboxes lie
            under `_INBOX.<name>`.
        nkey_seed: The secret of the service's nkey, where the server asks for one.
        ca_file: The authority (PEM) behind the servers' certificates; without one, those that the system trusts.

    Raises:
        ValueError: `nkey_seed` is none.
        OSError: `ca_file` cannot be read.
    """

    def __init__(self, url: str, *, name: str, nkey_seed: str | None = None, ca_file: Path | None = None) -> None:
        self.url = url
        self.name = name
        self.ca_file = ca_file
        self.sessions = 0
        """How often the connection has been made."""
        self._nodes = list(addresses(url))
        secrets.SystemRandom().shuffle(self._nodes)  # the processes of a service spread over the cluster
        self._tls = ssl.create_default_context(cafile=ca_file) if "tls://" in url else None
        self._nkey_seed = _checked(nkey_seed)
        self._closing = False
        self._session: Session | None = None
        self._slow = 0
        self._up = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        """Whether the connection stands at this moment, as far as is known."""
        return self._up.is_set()

    @property
    def slow_consumers(self) -> int:
        """How many messages were dropped because a reader here was too slow."""
        return self._slow + (self._session.slow if self._session else 0)

    async def start(self) -> None:
        """Begin to connect, in the background and for ever. Returns at once, and does not mind that NATS is away."""
        if self._task is None:
            self._task = asyncio.create_task(self._keep(), name=f"nats connection of {self.name}")

    async def wait_connected(self, timeout: float) -> bool:
        """Wait until the connection stands, for `timeout` seconds at most; the answer is whether it does."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._up.wait(), timeout)
        return self._up.is_set()

    async def session(self) -> Session:
        """The session that lives, or the next one."""
        while True:
            await self._up.wait()
            if self._session is not None and not self._session.ended.is_set():
                return self._session
            await asyncio.sleep(0)

    async def close(self) -> None:
        """Finish what is under way, for a second or so, and disconnect. Works as well if it was never connected."""
        task, self._task = self._task, None
        if task is None:
            return
        self._closing = True
        session = self._session
        if session is not None and self._up.is_set():
            await session.close(drain=True)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def _keep(self) -> None:
        pause = FIRST_PAUSE
        told = False
        missed = 0
        for node in cycle(self._nodes):
            session = Session()
            try:
                await session.open(node, name=self.name, nkey_seed=self._nkey_seed, tls=self._tls)
                log.info("connected to NATS", url=node)
                pause, told, missed = FIRST_PAUSE, False, 0
                self._session = session
                self.sessions += 1
                self._up.set()
                await session.ended.wait()
                if not self._closing:
                    log.warning("the connection to NATS is lost", url=node)
            except Exception as error:  # whatever it is, the next attempt may succeed
                missed += 1
                if not told:  # once an outage, or the log is nothing but this
                    log.warning("NATS is away", url=node, error=str(error) or type(error).__name__)
                    told = True
            finally:
                self._up.clear()
                self._slow += session.slow
                session.slow = 0
                await session.close(drain=False)
            if missed % len(self._nodes) == 0:  # every node was tried
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)


def _checked(seed: str | None) -> str | None:
    if seed is None:
        return None
    try:
        nkeys.from_seed(bytearray(seed.strip().encode()))
    except Exception:
        raise ValueError("this is not the seed of an nkey: it begins with SU and has 58 characters") from None
    return seed.strip()
