"""What an operator does from the command line to streams of shared signals."""

from typing import TYPE_CHECKING, Annotated

import typer

from auth_svc.commands import fail, operate

if TYPE_CHECKING:
    from auth_svc.db import Connection
    from auth_svc.signals import Stream

signals = typer.Typer(help="Streams of shared signals: list, show, pause, resume.", no_args_is_help=True)

_Receiver = Annotated[str, typer.Argument(help="The receiver, by its client id.", metavar="CLIENT_ID")]


@signals.command("list")
def list_streams() -> None:
    """List the streams: receiver, how signals get there, status, how many wait."""
    from auth_svc.signals import depths, everything

    for stream, waiting in operate(lambda _app, c: [(s, depths(c).get(s.stream_id, 0)) for s in everything(c)]):
        failing = f"  {stream.attempts} attempts failed" if stream.attempts else ""
        typer.echo(f"{stream.client_id:<16}  {_way(stream)}  {stream.status:<8}  {waiting} waiting{failing}")


@signals.command("show")
def show_stream(client_id: _Receiver) -> None:
    """Show the stream of a receiver."""
    from auth_svc.signals import depths

    def work(connection: "Connection") -> tuple["Stream", int]:
        stream = _of(connection, client_id)
        return stream, depths(connection).get(stream.stream_id, 0)

    stream, waiting = operate(lambda _app, connection: work(connection))
    status = stream.status if stream.reason is None else f"{stream.status}: {stream.reason}"
    typer.echo(f"stream    {stream.stream_id}")
    typer.echo(f"receiver  {stream.client_id}")
    typer.echo(f"status    {status}{' (by the operator)' if stream.by_operator else ''}")
    typer.echo(f"delivery  {_way(stream)}  {stream.endpoint_url or ''}".rstrip())
    typer.echo(f"waiting   {waiting}")
    typer.echo(f"failed    {stream.attempts} attempts in a row")
    for kind in stream.events_delivered:
        typer.echo(f"event     {kind}")


@signals.command("pause")
def pause_stream(
    client_id: _Receiver,
    reason: Annotated[str | None, typer.Option(help="What the receiver is told.")] = None,
) -> None:
    """Stop a stream, and say so in it. What happens meanwhile waits. The receiver cannot start it again."""
    operate(lambda app, connection: app.streams.pause(connection, _of(connection, client_id), reason))
    typer.echo(f"The stream to {client_id} is paused.")


@signals.command("resume")
def resume_stream(client_id: _Receiver) -> None:
    """Start a stream, whoever stopped it; what waits is sent."""
    operate(lambda app, connection: app.streams.resume(connection, _of(connection, client_id)))
    typer.echo(f"The stream to {client_id} is enabled.")


def _of(connection: "Connection", client_id: str) -> "Stream":
    from auth_svc.signals import of_client

    stream = of_client(connection, client_id)
    if stream is None:
        fail(f"{client_id} has no stream: see `auth-svc signals list`")
    return stream


def _way(stream: "Stream") -> str:
    return "push" if stream.endpoint_url is not None else "poll"
