"""What an operator does from the command line to clients and users. The rest is in `key_commands`,
`resource_commands` and `signal_commands`.

Each works on the database itself, so it does not need a running server; a server that runs sees it within seconds,
and relays what was recorded. Passwords are typed or piped, never arguments: arguments are seen by every process.
"""

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from auth_svc.app import AuthService
    from auth_svc.clients import Client
    from auth_svc.db import Connection
    from auth_svc.settings import Settings
    from auth_svc.users import User

clients = typer.Typer(
    help="Clients: add, list, disable, enable, delete, revoke, and their secrets.", no_args_is_help=True
)
users = typer.Typer(help="Users: add, list, password, roles, disable, enable, delete, revoke.", no_args_is_help=True)


def fail(message: str) -> NoReturn:
    """Say what is wrong in one line on stderr, and end with exit code 1."""
    typer.echo(f"auth-svc: {message}", err=True)
    raise typer.Exit(1)


def read_settings() -> "Settings":
    """Read the settings; what is wrong with them is said by the names of the variables, never with their values."""
    from pydantic import ValidationError

    from auth_svc.settings import PREFIX, UnknownSettingError, from_environment

    try:
        return from_environment()
    except UnknownSettingError as error:
        fail(str(error))
    except ValidationError as error:
        for problem in error.errors(include_input=False, include_url=False):
            name = PREFIX + "__".join(str(part).upper() for part in problem["loc"]) if problem["loc"] else "settings"
            typer.echo(f"auth-svc: {name}: {problem['msg'].removeprefix('Value error, ')}", err=True)
        raise typer.Exit(1) from error


@contextmanager
def refusals() -> Iterator[None]:
    """Turn what can go wrong with an installation into one line."""
    from auth_svc.bus_admission import BusDoorError
    from auth_svc.clients import RegistrationError
    from auth_svc.keys import SigningKeyError, TrustedIssuersError
    from auth_svc.resources import ResourceError
    from auth_svc.secret_key import SecretKeyError
    from auth_svc.seed import SeedError
    from auth_svc.server import PortInUseError
    from auth_svc.users import AccountError
    from lib_one.observe import NoExporterError
    from lib_one.sql import DatabaseError

    expected = (
        BusDoorError,
        NoExporterError,
        DatabaseError,
        RegistrationError,
        ResourceError,
        SecretKeyError,
        SeedError,
        SigningKeyError,
        PortInUseError,
        AccountError,
        TrustedIssuersError,
    )
    try:
        yield
    except expected as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error.filename or ''}: {error.strerror or error}")


def operate[T](work: "Callable[[AuthService, Connection], T]") -> T:
    """Run one unit of work on this installation."""
    from auth_svc.app import create_app

    async def run() -> T:
        app = create_app(read_settings())
        try:
            return await app.ledger.database.work(lambda connection: work(app, connection))
        finally:
            app.passwords.close()
            await app.ledger.database.close()

    with refusals():
        return asyncio.run(run())


# --- clients --------------------------------------------------------------------------------------------------------


def known_client(connection: "Connection", client_id: str) -> "Client":
    """The client with this id. A deleted one is there to keep its id from being given again, and for nothing else."""
    from auth_svc.clients import find

    client = find(connection, client_id)
    if client is None:
        fail(f"no client has the id {client_id}: see `auth-svc clients list`")
    if client.deleted:
        fail(f"{client_id} was deleted, for good: register another client with `auth-svc clients add`")
    return client


@clients.command("add")
def add_client(
    client_id: Annotated[str, typer.Argument(help="1 to 128 letters, digits, '-' or '_'.")],
    name: Annotated[str, typer.Option(help="What people see when they are asked for consent.")],
    grant: Annotated[list[str] | None, typer.Option(help="A grant type; repeat it for several.")] = None,
    scope: Annotated[str, typer.Option(help="All that it may ask for, separated by spaces.")] = "",
    redirect_uri: Annotated[list[str] | None, typer.Option(help="Where codes may be sent; repeatable.")] = None,
    resource: Annotated[str | None, typer.Option(help="The resource server that it stands for.")] = None,
    post_logout_redirect_uri: Annotated[
        list[str] | None, typer.Option(help="For after a sign-out; repeatable.")
    ] = None,
    backchannel_logout_uri: Annotated[str | None, typer.Option(help="Where it is told of a sign-out.")] = None,
    frontchannel_logout_uri: Annotated[str | None, typer.Option(help="Its page for a frame after a sign-out.")] = None,
    public: Annotated[bool, typer.Option("--public", help="It cannot keep a secret (apps on devices).")] = False,
) -> None:
    """Register a client. The secret of a confidential one is made here and shown once, alone on stdout."""
    from auth_svc.clients import NewClient, new_secret

    made = None if public else new_secret()
    new = NewClient(
        client_id=client_id,
        client_name=name,
        secret=made,
        token_endpoint_auth_method="none" if public else "client_secret_basic",
        grant_types=tuple(grant or ()),
        scope=scope,
        redirect_uris=tuple(redirect_uri or ()),
        resource=resource,
        post_logout_redirect_uris=tuple(post_logout_redirect_uri or ()),
        backchannel_logout_uri=backchannel_logout_uri,
        frontchannel_logout_uri=frontchannel_logout_uri,
    )
    operate(lambda app, connection: app.registration.add(connection, new))
    typer.echo(f"{client_id} is registered.", err=True)
    if made is not None:
        typer.echo(made)


@clients.command("list")
def list_clients() -> None:
    """List the clients: id, kind, grant types, scope."""
    from auth_svc.clients import everyone

    for client in operate(lambda _app, connection: everyone(connection)):
        kind = "confidential" if client.confidential else "public"
        if client.disabled:
            kind = "deleted" if client.deleted else "disabled"
        typer.echo(f"{client.client_id:<16}  {kind:<12}  {','.join(client.grant_types)}  {' '.join(client.scopes)}")


@clients.command("disable")
def disable_client(client_id: str) -> None:
    """Refuse a client from now on, and end all that was issued to it."""

    def work(app: "AuthService", connection: "Connection") -> None:
        known_client(connection, client_id)
        if not app.revocation.disable_client(connection, client_id):
            fail(f"{client_id} is disabled already")

    operate(work)
    typer.echo(f"{client_id} is disabled.")


@clients.command("enable")
def enable_client(client_id: str) -> None:
    """Let a disabled client ask again. What was revoked stays revoked."""
    from auth_svc.clients import enable

    def work(_app: "AuthService", connection: "Connection") -> None:
        known_client(connection, client_id)
        if not enable(connection, client_id):
            fail(f"{client_id} is not disabled")

    operate(work)
    typer.echo(f"{client_id} is enabled.")


@clients.command("delete")
def delete_registered_client(client_id: str) -> None:
    """End a client's registration and all that was issued to it. Its id is never given again.

    `cli-proj` and `gui-proj` cannot be deleted: disable them.
    """
    from auth_svc.registration import OwnClientError, delete_client

    def work(app: "AuthService", connection: "Connection") -> None:
        known_client(connection, client_id)
        try:
            delete_client(connection, client_id, ledger=app.ledger, revocation=app.revocation)
        except OwnClientError:
            fail(f"{client_id} comes with auth-svc and is not deleted: use `auth-svc clients disable {client_id}`")

    operate(work)
    typer.echo(f"{client_id} is deleted.")


@clients.command("revoke")
def revoke_client(client_id: str) -> None:
    """End all that was issued to a client up to now; it may ask again at once."""

    def work(app: "AuthService", connection: "Connection") -> None:
        known_client(connection, client_id)
        app.revocation.revoke_client(connection, client_id)

    operate(work)
    typer.echo(f"All that was issued to {client_id} is revoked.")


# --- users ----------------------------------------------------------------------------------------------------------


@users.command("add")
def add_user(
    username: str,
    name: Annotated[str, typer.Option(help="The person's name.")],
    email: Annotated[str, typer.Option(help="The person's e-mail address.")] = "",
    role: Annotated[list[str] | None, typer.Option(help="employee, clerk, driver or operator; repeatable.")] = None,
) -> None:
    """Add a person. The password is asked for, or read from stdin when that is not a terminal."""
    from auth_svc.users import Profile

    password = _password()
    profile = Profile(username=username, name=name, email=email, roles=tuple(role or ()), password=password)

    def work(app: "AuthService", connection: "Connection") -> str:
        return app.accounts.add(connection, profile, password_hash=password_hash)

    password_hash = _hash(username, password)
    typer.echo(operate(work))


@users.command("list")
def list_users() -> None:
    """List the people: user name, id, roles."""
    from auth_svc.users import everyone

    for user in operate(lambda _app, connection: everyone(connection)):
        state = "  disabled" if user.disabled else ""
        typer.echo(f"{user.username:<16}  {user.user_id}  {','.join(user.roles)}{state}")


@users.command("password")
def set_password(username: str) -> None:
    """Give a person another password, and end their sign-ins and all that was issued for them.

    The password is asked for, or read from stdin when that is not a terminal.
    """
    password_hash = _hash(username, _password())

    def work(app: "AuthService", connection: "Connection", user: "User") -> None:
        app.accounts.set_password(connection, user, password_hash=password_hash)
        app.revocation.revoke_subject(connection, user.user_id)

    _with_user(username, work)
    typer.echo(f"{username} has another password, and is signed out everywhere.")


@users.command("roles")
def set_roles(
    username: str,
    role: Annotated[list[str], typer.Option(help="employee, clerk, driver or operator; repeatable.")],
) -> None:
    """Give a person these roles and no others, and end their sign-ins and all that was issued for them."""

    def work(app: "AuthService", connection: "Connection", user: "User") -> None:
        app.accounts.set_roles(connection, user, role)
        app.revocation.revoke_subject(connection, user.user_id)

    _with_user(username, work)
    typer.echo(f"{username} is now {', '.join(role)}, and is signed out everywhere.")


@users.command("disable")
def disable_user(username: str) -> None:
    """Close an account, end its sign-ins and all that was issued for it."""

    def work(app: "AuthService", connection: "Connection", user: "User") -> bool:
        done = app.accounts.disable(connection, user.user_id)
        app.revocation.revoke_subject(connection, user.user_id)
        return done

    _with_user(username, work)
    typer.echo(f"{username} is disabled.")


@users.command("enable")
def enable_user(username: str) -> None:
    """Open a closed account. The person must sign in again."""
    _with_user(username, lambda app, connection, user: app.accounts.enable(connection, user.user_id))
    typer.echo(f"{username} is enabled.")


@users.command("delete")
def delete_user(username: str) -> None:
    """Delete an account: what is known about the person, the sign-ins, and all that was issued for it."""

    def work(app: "AuthService", connection: "Connection", user: "User") -> None:
        app.accounts.delete(connection, user)
        app.revocation.revoke_subject(connection, user.user_id)

    _with_user(username, work)
    typer.echo(f"{username} is deleted.")


@users.command("revoke")
def revoke_user(username: str) -> None:
    """Sign a person out everywhere and end all that was issued; the account stays open."""
    _with_user(username, lambda app, connection, user: app.revocation.revoke_subject(connection, user.user_id))
    typer.echo(f"{username} is signed out everywhere.")


def _password() -> str:
    if sys.stdin.isatty():
        typed: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
        return typed
    return sys.stdin.readline().rstrip("\r\n")


def _hash(username: str, password: str) -> str:
    from auth_svc.users import hash_password

    with refusals():
        return hash_password(username, password)


def _with_user(username: str, verb: "Callable[[AuthService, Connection, User], object]") -> None:
    def work(app: "AuthService", connection: "Connection") -> bool:
        from auth_svc.users import find_by_username

        user = find_by_username(connection, username)
        if user is not None:
            verb(app, connection, user)
        return user is not None

    if not operate(work):
        fail(f"there is no user {username}: see `auth-svc users list`")
