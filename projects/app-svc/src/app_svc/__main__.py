"""The commands of app-svc: serve, work, simulate, migrate, and those of an operator (`app_svc.commands`)."""

import asyncio
import contextlib
import gc
import signal
import socket
import sys
from collections.abc import Coroutine, Generator
from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app_svc import commands, topology_commands
from app_svc.commands import bring_up_to_date, fail, read_settings

if TYPE_CHECKING:
    from app_svc.settings import Settings

cli = typer.Typer(name="app-svc", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
work = typer.Typer(no_args_is_help=True, help="Run one worker alone, beside a `serve` with APP_SVC_WORKERS=false.")
cli.add_typer(work, name="work")
cli.add_typer(commands.dead, name="dead")
cli.add_typer(commands.consumers, name="consumers")
cli.add_typer(commands.outbox, name="outbox")
cli.add_typer(topology_commands.topology, name="topology")

READ_TIMEOUT_MS = 30_000
"""After so long a client that acknowledges nothing that was sent to it is cut off by the kernel."""


def main() -> None:
    """Run app-svc: shipment tracking."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(0))  # until the event loop listens: a stop is no failure
    try:
        cli()
    except PermissionError as error:  # of a secret's file: the service runs as a user of its own
        fail(str(error))


@cli.callback()
def about() -> None:
    """AppService: shipment tracking, the resource server that gets work done."""


@cli.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen at; else APP_SVC_HOST.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen at; else APP_SVC_PORT.", min=0, max=65535)] = None,
) -> None:
    """Serve the HTTP API, with its workers unless APP_SVC_WORKERS=false."""
    settings = read_settings()
    listener = _listen(settings.host if host is None else host, settings.port if port is None else port)
    bring_up_to_date(settings)
    import uvicorn

    from app_svc.app import AppService
    from lib_one.secret_key import SecretKeyError

    try:
        service = AppService(settings)
    except SecretKeyError as error:
        fail(f"{error}. `app-svc secret` makes one")

    class Server(uvicorn.Server):
        """Ends open streams first, so that a stop does not wait for them, and ends with exit code 0."""

        @contextlib.contextmanager
        def capture_signals(self) -> Generator[None]:
            loop = asyncio.get_running_loop()
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, self.leave)
            yield

        def leave(self) -> None:
            self.force_exit = self.should_exit
            self.should_exit = True
            service.feed.stop()

    config = uvicorn.Config(
        service.api,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=2,
    )
    # What is there now stays for ever: the collector need not walk through it again and again.
    gc.collect()
    gc.freeze()
    with _traces(settings):
        Server(config).run(sockets=[listener])


@work.command("timeline")
def work_timeline() -> None:
    """Build the timeline and the feed from the events, each of them once."""
    settings = read_settings()
    bring_up_to_date(settings)
    from app_svc.app import TimelineWorker

    with _traces(settings):
        _run(TimelineWorker(settings).run())


@work.command("webhooks")
def work_webhooks() -> None:
    """Send webhooks: sign what waits, try again what did not arrive, forget what is old."""
    settings = read_settings()
    bring_up_to_date(settings)
    from app_svc.app import WebhookWorker
    from lib_one.secret_key import SecretKeyError

    try:
        worker = WebhookWorker(settings)
    except SecretKeyError as error:
        fail(f"{error}. `app-svc secret` makes one")
    with _traces(settings):
        _run(worker.run())


@cli.command()
def simulate() -> None:
    """Move shipments between real places, as a client of the API, until stopped."""
    settings = read_settings()
    from app_svc.simulator.run import simulate as simulate_

    _run(simulate_(settings))


@cli.command()
def secret() -> None:
    """Make the file of the master secret (APP_SVC_SECRET_KEY_FILE) if there is none."""
    from lib_one.secret_key import SecretKeyError, load

    settings = read_settings()
    try:
        load(settings.secret_key_file, service="app-svc", create=True)
    except SecretKeyError as error:
        fail(str(error))
    typer.echo(f"{settings.secret_key_file} holds the master secret: back it up apart from the database.")


@cli.command()
def migrate() -> None:
    """Bring the database's tables up to date. `serve` does this as well."""
    bring_up_to_date(read_settings())


@contextlib.contextmanager
def _traces(settings: "Settings") -> Generator[None]:
    from app_svc.bus import SERVICE
    from lib_one.observe import NoExporterError, traces_exported

    try:
        with traces_exported(SERVICE, version=version(SERVICE), endpoint=settings.otlp_endpoint):
            yield
    except NoExporterError as error:
        fail(str(error))


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux: inherited by the connections
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, READ_TIMEOUT_MS)
    try:
        listener.bind((host, port))
        listener.listen(1024)
    except OSError as error:
        fail(f"cannot listen at {host} port {port}: {error.strerror}. Is another app-svc running?")
    return listener


def _run(job: Coroutine[Any, Any, None]) -> None:
    """Run a job until SIGTERM or Ctrl-C, which end it in good order."""

    async def until_stopped() -> None:
        task = asyncio.ensure_future(job)
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await task

    import uvloop

    uvloop.run(until_stopped())


if __name__ == "__main__":
    main()
