"""What an operator does from the command line with what travels over the bus: dead letters, replay, the outbox.

Each works on the bus or on the database itself, so none needs a running `serve`; one that runs takes note by itself.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from datetime import datetime

    from app_svc.settings import Settings
    from lib_one.nats import DeadLetter, DeadLetters, JetStreamBus

SERVICE = "app-svc"
CONNECT_PATIENCE = 5.0
"""Seconds that a command waits for the bus."""

dead = typer.Typer(help="Dead letters, which a worker has given up: list, show, replay, drop.", no_args_is_help=True)
consumers = typer.Typer(help="What the workers read: list, replay.", no_args_is_help=True)
outbox = typer.Typer(help="Facts on their way to the bus: republish.", no_args_is_help=True)

Number = Annotated[int, typer.Argument(min=1, help="As `dead list` shows it.")]


def fail(message: str) -> NoReturn:
    """Say what is wrong in one line on stderr, and end with exit code 1."""
    typer.echo(f"app-svc: {message}", err=True)
    sys.exit(1)


def read_settings() -> "Settings":
    """Read the settings; what is wrong with them is said by the names of the variables."""
    from pydantic import ValidationError

    from app_svc.settings import PREFIX, UnknownSettingError, from_environment
    from lib_one.observe import configure_logging

    configure_logging(SERVICE)
    try:
        return from_environment()
    except UnknownSettingError as error:
        fail(str(error))
    except ValidationError as error:
        fail("; ".join(f"{PREFIX}{'__'.join(map(str, one['loc'])).upper()}: {one['msg']}" for one in error.errors()))


def bring_up_to_date(settings: "Settings") -> None:
    """Run the migrations that the database lacks."""
    from lib_one.sql import DatabaseError, upgrade

    if settings.database_url.startswith("sqlite:///"):
        Path(settings.database_url.removeprefix("sqlite:///")).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        upgrade(settings.database_url, package="app_svc")
    except (DatabaseError, ValueError) as error:
        fail(f"the database cannot be used: {error}")


# --- dead letters ---------------------------------------------------------------------------------------------------


@dead.command("list")
def list_dead(
    consumer: Annotated[str | None, typer.Option(help="Only those that this consumer gave up.")] = None,
    before: Annotated[int | None, typer.Option(min=1, help="Go on where a list stopped.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=100, help="At most so many.")] = 50,
) -> None:
    """List dead letters, the newest first: number, when, consumer, type, what it is about, reason."""
    page = _with_letters(lambda letters: letters.page(consumer=consumer, before=before, limit=limit))
    for letter in page.letters:
        message = letter.message
        what = f"{message.type or '-'}  {message.aggregate or '-'}" if message else "(its message is gone)"
        at = letter.given_up_at.isoformat(timespec="seconds")
        typer.echo(f"{letter.id}  {at}  {letter.consumer}  {what}  {letter.reason}")
    if page.before is not None:
        typer.echo(f"More with --before {page.before}.", err=True)


@dead.command("show")
def show_dead(number: Number) -> None:
    """Show one dead letter with its message, as JSON."""
    import msgspec

    letter = _with_letters(lambda letters: letters.find(number))
    typer.echo(msgspec.json.format(msgspec.json.encode(letter), indent=2).decode())


@dead.command("replay")
def replay_dead(number: Number) -> None:
    """Deliver the message once more, to the consumer that gave it up alone. The letter is gone then."""

    def work(letters: "DeadLetters") -> "Awaitable[DeadLetter]":
        return letters.replay(number)

    typer.echo(f"Dead letter {number} is on its way to {_with_letters(work).consumer}.")


@dead.command("drop")
def drop_dead(number: Number, yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False) -> None:
    """Forget a dead letter. Its message is not delivered again."""
    if not yes:
        typer.confirm(f"Drop dead letter {number} for good?", abort=True, err=True)
    _with_letters(lambda letters: letters.drop(number))
    typer.echo(f"Dead letter {number} is dropped.")


# --- consumers ------------------------------------------------------------------------------------------------------


@consumers.command("list")
def list_consumers() -> None:
    """List the durable consumers of this service, each with its stream."""
    from lib_one.nats import APP_PROJECTOR

    typer.echo(f"{APP_PROJECTOR.durable}  {APP_PROJECTOR.stream}")


@consumers.command("replay")
def replay_consumer(
    durable: Annotated[str, typer.Argument(help="As `consumers list` shows it.")],
    since: Annotated[
        str | None, typer.Option(metavar="MOMENT", help="What was stored since: 10m, 2h, 1d, 2026-11-21T10:00Z.")
    ] = None,
    from_sequence: Annotated[int | None, typer.Option(min=1, help="From this place of the stream on.")] = None,
) -> None:
    """Let a consumer read a part of its stream again, such as after its database was restored from a backup.

    What has taken effect already does not do so twice.
    """
    from lib_one.nats import APP_PROJECTOR, replay

    if durable != APP_PROJECTOR.durable:
        fail(f"there is no consumer {durable}: see `app-svc consumers list`")
    if (since is None) == (from_sequence is None):
        fail("say either --since or --from-sequence")
    begin = None if since is None else _moment(since)
    done = _with_bus(lambda bus: replay(bus, APP_PROJECTOR, since=begin, sequence=from_sequence or 1))
    typer.echo(f"{durable} reads again from {done.sequence} on: {done.messages} messages.")


# --- outbox ---------------------------------------------------------------------------------------------------------


@outbox.command("republish")
def republish(
    since: Annotated[str, typer.Option(metavar="MOMENT", help="10m, 2h, 1d, or a time such as 2026-11-21T10:00Z.")],
) -> None:
    """Publish again, under their old ids, the facts that were sent since a moment; sent facts are kept for a day.

    A stream that was lost is filled again without this command.
    """
    from lib_one.sql import DatabaseError, open_database, send_again

    begin = _moment(since)
    settings = read_settings()
    bring_up_to_date(settings)

    async def run() -> int:
        database = open_database(settings.database_url)
        try:
            return await database.work(lambda connection: send_again(connection, since=begin))
        finally:
            await database.close()

    try:
        count = asyncio.run(run())
    except DatabaseError as error:
        fail(f"the database cannot be used: {error}")
    typer.echo(f"{count} facts wait to be sent again.")


def _moment(text: str) -> "datetime":
    from lib_one.event import utc_now
    from lib_one.moments import moment

    try:
        return moment(text, now=utc_now())
    except ValueError as error:
        fail(str(error))


def _with_letters[T](work: "Callable[[DeadLetters], Awaitable[T]]") -> T:
    from lib_one.nats import DeadLetters

    return _with_bus(lambda bus: work(DeadLetters(bus, service=SERVICE)))


def _with_bus[T](work: "Callable[[JetStreamBus], Awaitable[T]]") -> T:
    """Ask something of the bus, as the service itself."""
    from app_svc.bus import connection_to_bus
    from lib_one.errors import EventError
    from lib_one.nats import JetStreamBus

    settings = read_settings()

    async def run() -> T:
        connection = connection_to_bus(settings)
        await connection.start()
        try:
            await connection.wait_connected(CONNECT_PATIENCE)
            return await work(JetStreamBus(connection, replicas=settings.nats_replicas))
        finally:
            await connection.close()

    try:
        return asyncio.run(run())
    except (EventError, OSError) as error:
        fail(str(error))
