"""`token`: an access token alone on stdout, for curl and scripts."""

import getpass
import sys
from pathlib import Path
from typing import Annotated

import typer

from cli_proj.errors import CliError, ExitCode
from cli_proj.kept import MIN_LIFE, live_token
from cli_proj.settings import SECRET_VARIABLE
from cli_proj.workbench import Workbench, run, workbench


def token(
    context: typer.Context,
    client_id: Annotated[
        str | None,
        typer.Option(help="Sign in as this client instead (client credentials), without a person."),
    ] = None,
    scope: Annotated[
        str | None, typer.Option(help='With --client-id: what to ask for, such as "shipments:read".')
    ] = None,
    client_secret_file: Annotated[
        Path | None, typer.Option(help="With --client-id: the file with the secret.", show_default=False)
    ] = None,
    client_secret_stdin: Annotated[
        bool, typer.Option("--client-secret-stdin", help="With --client-id: read the secret from stdin.")
    ] = False,
) -> None:
    """Print an access token, refreshed if need be, and nothing else.

    ```sh
    curl -H "Authorization: Bearer $(cli-proj token)" http://127.0.0.1:8401/shipments
    ```

    With --client-id it is the token of a program, by client credentials. The secret comes from CLI_CLIENT_SECRET, a
    file or stdin; never from the command line, where every user of the machine could read it.
    """
    bench = workbench(context)
    if client_id is not None:
        secret = _secret(bench, client_secret_file, from_stdin=client_secret_stdin)
        bench.output.write(run(_of_client(bench, client_id, secret, scope)))
        return
    if scope is not None or client_secret_file is not None or client_secret_stdin:
        raise CliError(
            "--scope and the secret go with --client-id.",
            'To sign in with other permissions: cli-proj login --scope "…"',
            code=ExitCode.USAGE,
        )
    # The quick way: a token that still lives needs neither HTTP nor OAuth, and loading those takes most of the time.
    kept = live_token(bench.settings, now=bench.now())
    bench.output.write(kept if kept is not None else run(_of_person(bench)))


async def _of_person(bench: Workbench) -> str:
    async with bench.session() as session:
        return await session.access_token(MIN_LIFE)


async def _of_client(bench: Workbench, client_id: str, secret: str, scope: str | None) -> str:
    async with bench.oauth_client(client_id=client_id, client_secret=secret) as client:
        return (await client.client_credentials(scope or "")).access_token


def _secret(bench: Workbench, file: Path | None, *, from_stdin: bool) -> str:
    if file is not None and from_stdin:
        raise CliError(
            "The secret is to come from a file and from stdin.",
            "Give either --client-secret-file or --client-secret-stdin.",
            code=ExitCode.USAGE,
        )
    if file is not None:
        secret = _read(file)
    elif from_stdin:
        secret = getpass.getpass("Client secret: ") if sys.stdin.isatty() else sys.stdin.readline()
    else:
        secret = bench.settings.client_secret or ""
    secret = secret.strip()
    if not secret:
        raise CliError(
            "There is no client secret.",
            f"Set {SECRET_VARIABLE}, or use --client-secret-file FILE or --client-secret-stdin.",
            code=ExitCode.USAGE,
        )
    return secret


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise CliError(
            f"The secret file {file} cannot be read: {error.strerror}.", "Check its path and mode."
        ) from error
    except UnicodeDecodeError as error:
        raise CliError(f"The secret file {file} is not text.", "It should hold the secret on one line.") from error
