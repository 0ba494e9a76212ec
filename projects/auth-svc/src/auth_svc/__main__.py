"""The command `auth-svc`: serve, migrate, and what an operator does to what auth-svc keeps."""

from importlib.metadata import version
from typing import Annotated

import typer

from auth_svc import (
    client_commands,
    commands,
    key_commands,
    outbox_commands,
    resource_commands,
    signal_commands,
    topology_commands,
)

application = typer.Typer(
    name="auth-svc",
    help="AuthService: the OAuth 2.1 and OpenID Connect authorization server.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
application.add_typer(key_commands.keys, name="keys")
application.add_typer(resource_commands.resources, name="resources")
application.add_typer(topology_commands.topology, name="topology")
commands.clients.add_typer(client_commands.secrets, name="secrets")
commands.clients.add_typer(client_commands.invitations, name="invitations")
application.add_typer(commands.clients, name="clients")
application.add_typer(commands.users, name="users")
application.add_typer(outbox_commands.outbox, name="outbox")
application.add_typer(signal_commands.signals, name="signals")


@application.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; instead of AUTH_SVC_HOST.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; instead of AUTH_SVC_PORT.")] = None,
) -> None:
    """Serve until SIGTERM or Ctrl-C."""
    from auth_svc import server
    from lib_one.observe import configure_logging, get_logger, traces_exported

    settings = commands.read_settings()
    configure_logging("auth-svc", json=settings.log_json)
    with commands.refusals(), traces_exported("auth-svc", version=version("auth-svc"), endpoint=settings.otlp_endpoint):
        listener = server.bind(host or settings.host, settings.port if port is None else port)
        from auth_svc.app import create_app

        app = create_app(settings)
        get_logger(__name__).info("listening", address=listener.getsockname()[:2], issuer=settings.issuer)
        server.serve(
            app,
            listener,
            while_running=app.running(),
            trusted_proxies=settings.trusted_proxies,
            certificate_header=settings.client_certificate_header,
            certificate_verified_header=settings.client_certificate_verified_header,
        )


@application.command()
def migrate() -> None:
    """Bring the database up to date (`serve` does so by itself)."""
    from lib_one.sql import upgrade

    settings = commands.read_settings()
    with commands.refusals():
        upgrade(settings.database_url, package="auth_svc")
    typer.echo("The database is up to date.")


def main() -> None:
    """Run the command. Its log goes to stderr: stdout is for what it makes, such as a client's secret."""
    from lib_one.observe import configure_logging

    configure_logging("auth-svc")
    application()


if __name__ == "__main__":
    main()
