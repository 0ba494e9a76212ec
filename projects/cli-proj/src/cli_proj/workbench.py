"""What every command has at hand. The callback of `app` makes it; nothing else in the program wires anything.

Importing this module is cheap, and so is making a Workbench: HTTP and OAuth are loaded when a command asks for them.
"""

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

import typer

from cli_proj.kept import token_store, utc_now
from cli_proj.output import Format, Output
from cli_proj.settings import Settings

if TYPE_CHECKING:
    from cli_proj.api import DeadLetters, Shipments
    from lib_two.oauth_client import OAuthClient
    from lib_two.session import Session
    from lib_two.token_store import TokenStore

type Now = Callable[[], datetime]


class Workbench:
    """Settings, output, and the ways to the services."""

    def __init__(self, settings: Settings, output: Output, *, now: Now = utc_now) -> None:
        self.settings = settings
        self.output = output
        self.now = now

    def token_store(self) -> "TokenStore":
        """Where the sign-in is kept."""
        return token_store(self.settings)

    @asynccontextmanager
    async def oauth_client(
        self, *, client_id: str | None = None, client_secret: str | None = None
    ) -> "AsyncIterator[OAuthClient]":
        """A client of auth-svc; without arguments the one that signs people in."""
        from lib_two.oauth_client import OAuthClient

        async with OAuthClient(
            self.settings.issuer, client_id or self.settings.client_id, client_secret=client_secret
        ) as client:
            yield client

    @asynccontextmanager
    async def session(self) -> "AsyncIterator[Session]":
        """The signed-in session: requests with a token that is refreshed when it has to be."""
        from lib_two.session import Session

        async with Session(self.settings.issuer, self.settings.client_id, self.token_store(), now=self.now) as session:
            yield session

    @asynccontextmanager
    async def shipments(self) -> "AsyncIterator[Shipments]":
        """The shipments of app-svc, for whoever is signed in."""
        from cli_proj.api import Shipments

        async with self.session() as session:
            yield Shipments(session, self.settings.app_url)

    @asynccontextmanager
    async def dead_letters(self) -> "AsyncIterator[DeadLetters]":
        """The dead letters of app-svc, for whoever is signed in."""
        from cli_proj.api import DeadLetters

        async with self.session() as session:
            yield DeadLetters(session, self.settings.app_url)


def run[T](work: Coroutine[Any, Any, T]) -> T:
    """Run the asynchronous part of a command. Ctrl-C cancels it, so that it can clean up, and ends the program."""
    import asyncio

    return asyncio.run(work)


def workbench(context: typer.Context, output: Format | None = None) -> Workbench:
    """The workbench of this run; a command's own --output wins over the one before the command."""
    bench: Workbench = context.obj
    if output is not None:
        bench.output.format = output
    return bench
