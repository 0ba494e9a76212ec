"""What an operator does from the command line to the secrets of clients, and to let clients register themselves."""

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from auth_svc.commands import fail, known_client, operate

if TYPE_CHECKING:
    from auth_svc.app import AuthService
    from auth_svc.clients import Client
    from auth_svc.db import Connection

secrets = typer.Typer(help="Secrets of a client: list, rotate, remove.", no_args_is_help=True)

invitations = typer.Typer(
    help="Initial access tokens, to register clients with: add, list, remove.", no_args_is_help=True
)


@secrets.command("list")
def list_secrets(client_id: str) -> None:
    """List the secrets of a client: id, since when, until when. The secrets themselves are not kept."""
    for secret in operate(lambda _app, connection: _confidential(connection, client_id).secrets):
        until = "" if secret.expires_at is None else f"  until {secret.expires_at.isoformat(timespec='seconds')}"
        typer.echo(f"{secret.secret_id}  since {secret.created_at.isoformat(timespec='seconds')}{until}")


@secrets.command("rotate")
def rotate_secret(
    client_id: str,
    overlap: Annotated[float, typer.Option(min=0, help="Days for which the secrets before stay good.")] = 7,
    days: Annotated[float | None, typer.Option(min=0, help="Days for which the new one is good; else no end.")] = None,
) -> None:
    """Give a client another secret, shown once, alone on stdout. The ones before stay good for a while."""
    from auth_svc.clients import TooManySecretsError

    def work(app: "AuthService", connection: "Connection") -> str:
        _confidential(connection, client_id)
        life = None if days is None else timedelta(days=days)
        try:
            return app.client_secrets.rotate(connection, client_id, overlap=timedelta(days=overlap), life=life)
        except TooManySecretsError as error:
            fail(str(error))

    made = operate(work)
    typer.echo(f"{client_id} has another secret; the ones before are good for {overlap:g} more days.", err=True)
    typer.echo(made)


@secrets.command("remove")
def remove_secret(
    client_id: str, secret_id: Annotated[str, typer.Argument(help="As `clients secrets list` shows it.")]
) -> None:
    """Make a secret worthless at once. What was issued with it stays good: see `clients revoke`."""

    def work(app: "AuthService", connection: "Connection") -> None:
        _confidential(connection, client_id)
        if not app.client_secrets.remove(connection, client_id, secret_id):
            fail(f"{client_id} has no secret {secret_id}: see `auth-svc clients secrets list {client_id}`")

    operate(work)
    typer.echo(f"The secret {secret_id} of {client_id} is removed.")


@invitations.command("add")
def add_invitation(
    uses: Annotated[int, typer.Option(min=1, help="How many clients may be registered with it.")] = 1,
    days: Annotated[float, typer.Option(min=0, help="For how long.")] = 7,
) -> None:
    """Make an initial access token (RFC 7591), shown once, alone on stdout."""
    from auth_svc.registration import add_invitation as keep
    from auth_svc.secret_key import new_token

    token = new_token()

    def work(app: "AuthService", connection: "Connection") -> None:
        now = app.ledger.now()
        keep(connection, token, uses=uses, now=now, expires_at=now + timedelta(days=days))

    operate(work)
    typer.echo(token)


@invitations.command("list")
def list_invitations() -> None:
    """List the initial access tokens: id, uses that are left, until when. The tokens themselves are not kept."""
    from auth_svc.registration import invitations as kept

    for found in operate(lambda _app, connection: kept(connection)):
        typer.echo(f"{found.token_id}  {found.uses_left} left  until {found.expires_at.isoformat(timespec='seconds')}")


@invitations.command("remove")
def remove_invitation(token_id: Annotated[str, typer.Argument(help="As `clients invitations list` shows it.")]) -> None:
    """Make an initial access token worthless. Clients that were registered with it stay."""
    from auth_svc.registration import remove_invitation as remove

    if not operate(lambda _app, connection: remove(connection, token_id)):
        fail(f"no initial access token has the id {token_id}: see `auth-svc clients invitations list`")
    typer.echo(f"{token_id} is removed.")


def _confidential(connection: "Connection", client_id: str) -> "Client":
    client = known_client(connection, client_id)
    if not client.token_endpoint_auth_method.startswith("client_secret_"):
        fail(f"{client_id} has no secrets: it is registered for {client.token_endpoint_auth_method}")
    return client
