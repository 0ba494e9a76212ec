"""What an operator does from the command line to resource servers."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from auth_svc.commands import fail, operate, refusals

if TYPE_CHECKING:
    from auth_svc.app import AuthService
    from auth_svc.db import Connection
    from auth_svc.resources import Resource

resources = typer.Typer(help="Resource servers: list, put, remove.", no_args_is_help=True)


@resources.command("list")
def list_resources() -> None:
    """List the resource servers: identifier, format of the tokens, scopes. The first is the default."""
    for resource in operate(lambda app, connection: app.resources.read(connection).resources):
        scopes = " ".join(scope.name for scope in resource.scopes)
        typer.echo(f"{resource.identifier}  {resource.access_token_format}  {scopes}")


@resources.command("put")
def put_resource(
    file: Annotated[Path, typer.Argument(help="JSON as in `resources` of the seed file; `-` reads stdin.")],
) -> None:
    """Register a resource server, or change the one with this identifier, app-svc's included.

    It is for people at once. Clients must be allowed its scopes as well before they can ask for them.
    """
    resource = _read(file)
    operate(lambda app, connection: app.resources.put(connection, resource))
    typer.echo(f"{resource.identifier} is registered.")


@resources.command("remove")
def remove_resource(identifier: str) -> None:
    """Issue no more tokens for a resource server; those that are out live on for ten minutes at most.

    What was changed of app-svc's resource goes back to how it was.
    """

    def work(app: "AuthService", connection: "Connection") -> bool:
        return app.resources.remove(connection, identifier)

    if not operate(work):
        fail(f"no resource was registered as {identifier}: see `auth-svc resources list`")
    typer.echo(f"{identifier} is removed.")


def _read(file: Path) -> "Resource":
    import msgspec

    from auth_svc.resources import Resource

    with refusals():
        text = sys.stdin.read() if str(file) == "-" else file.read_text("utf-8")
    try:
        return msgspec.json.decode(text, type=Resource)
    except (msgspec.DecodeError, UnicodeError) as error:
        fail(f"{file} does not describe a resource: {error}")
