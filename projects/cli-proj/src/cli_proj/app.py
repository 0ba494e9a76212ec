"""The command tree, and the one place where the program is wired: the callback below."""

import os
from typing import Annotated

import typer

from cli_proj.commands import admin, shipments, signing
from cli_proj.commands.scan import scan
from cli_proj.commands.status import status
from cli_proj.commands.token import token
from cli_proj.errors import CliError, ExitCode
from cli_proj.output import Format, Output
from cli_proj.settings import SettingsError, read_settings
from cli_proj.workbench import Workbench

_EPILOG = """
**Begin with** `cli-proj status`, then `cli-proj login`, then `cli-proj shipments list`.

**Exit codes** 0 done, 1 failed, 2 wrong usage, 3 sign in first, 4 not allowed, 5 not found, 6 conflict,
7 a service is away, 130 Ctrl-C, 141 the reader of a pipe went away.

**Settings** CLI_ISSUER (auth-svc), CLI_APP_URL (app-svc), CLI_CLIENT_ID, CLI_CLIENT_SECRET, CLI_STATE_DIR,
CLI_KEYRING, NO_COLOR.
"""

app = typer.Typer(
    name="cli-proj",
    help="Sign in, fetch tokens, work with shipments, see how every service is.",
    epilog=_EPILOG,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        Output().write(f"cli-proj {version('cli-proj')}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def wire(
    context: typer.Context,
    output: Annotated[
        Format, typer.Option("--output", "-o", help="How to print: table for people, json or jsonl for programs.")
    ] = Format.TABLE,
    debug: Annotated[bool, typer.Option("--debug", help="Show where an unexpected error came from.")] = False,  # noqa: ARG001 - __main__ reads it
    version_: Annotated[  # noqa: ARG001 - its callback does the work
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Sign in, fetch tokens, work with shipments, see how every service is."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit
    try:
        settings = read_settings(os.environ)
    except SettingsError as error:
        raise CliError(
            str(error), "The settings are listed at the end of `cli-proj --help`.", code=ExitCode.USAGE
        ) from error
    context.obj = Workbench(settings, Output(output))


app.command(rich_help_panel="Who you are")(signing.login)
app.command(rich_help_panel="Who you are")(signing.whoami)
app.command(rich_help_panel="Who you are")(signing.logout)
app.command(rich_help_panel="Who you are")(token)
app.add_typer(shipments.app, rich_help_panel="Shipments")
app.command(rich_help_panel="Shipments")(scan)
app.command(rich_help_panel="The system")(status)
app.add_typer(admin.app, rich_help_panel="The system")
