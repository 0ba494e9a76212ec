"""What an operator does from the command line to the streams that auth-svc owns."""

import asyncio

import typer

from auth_svc import commands

topology = typer.Typer(help="The streams and consumers on the bus: show, apply.", no_args_is_help=True)


@topology.command()
def show() -> None:
    """Say how the streams and consumers differ from what they should be. Exit code 1 if they do; nothing is changed."""
    _compare(apply=False)


@topology.command()
def apply() -> None:
    """Make what is missing and change what differs, the number of nodes that keep a stream included.

    What would delete stored messages, or cannot be changed in place, is refused with what to do (exit code 1).
    """
    _compare(apply=True)


def _compare(*, apply: bool) -> None:
    from auth_svc.app import connection_to_bus
    from lib_one.errors import BusUnavailableError
    from lib_one.nats import migrate
    from lib_one.observe import configure_logging

    settings = commands.read_settings()
    configure_logging("auth-svc", json=settings.log_json, level="ERROR")
    with commands.refusals():
        try:
            job = migrate(connection_to_bus(settings), replicas=settings.nats_replicas, apply=apply)
            comparison = asyncio.run(job)
        except BusUnavailableError as error:
            commands.fail(str(error))
    typer.echo(str(comparison))
    if not comparison.agrees:
        raise typer.Exit(1)
