"""What an operator does from the command line to signing keys and to the master secret."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from auth_svc.commands import fail, operate, read_settings, refusals

if TYPE_CHECKING:
    from auth_svc.app import AuthService
    from auth_svc.db import Connection
    from auth_svc.keys.jose import PrivateKey

keys = typer.Typer(help="Signing keys: list, rotate, import, retire, distrust.", no_args_is_help=True)

_KEY_ID = {"ignore_unknown_options": True}
"""For commands that take the id of a key: it may begin with a hyphen, and is no option then."""
_NOW = typer.Option("--now", help="Sign with it at once: only after a key was lost.")


@keys.command("list")
def list_keys() -> None:
    """List the signing keys: id, algorithm, and where each is in its life."""
    from auth_svc.keys import Phase, everything, lives

    def work(app: "AuthService", connection: "Connection") -> list[str]:
        lines = []
        for life in lives(everything(connection), app.ledger.now()):
            until = app.rotation.retires_at(life)
            state: str = life.phase
            if life.phase is Phase.ANNOUNCED:
                state += f", signs from {_moment(life.since)}"
            elif life.phase is Phase.SIGNING:
                state += f" since {_moment(life.since)}"
            elif until is not None:
                state += f", retires at {_moment(until)}"
            lines.append(f"{life.key.key_id}  {life.key.algorithm:<6}  {state}")
        return lines

    for line in operate(work):
        typer.echo(line)


@keys.command()
def rotate(
    algorithm: Annotated[str, typer.Argument(help="ES256, RS256, PS256 or EdDSA.")] = "ES256",
    now: Annotated[bool, _NOW] = False,
) -> None:
    """Make a new key. It is published now and signs a quarter of an hour later, when every cache has it.

    The key before it stays published until the last token that it signed is of no use, and retires by itself.
    """
    from auth_svc.keys import jose

    _check_algorithm(algorithm)
    typer.echo(_add(jose.generate(algorithm), algorithm, now=now))


@keys.command("import")
def import_key(
    file: Annotated[Path, typer.Argument(help="A private key as PEM or JWK; - reads stdin.")],
    algorithm: Annotated[str | None, typer.Option(help="Of an RSA key: RS256 (the default) or PS256.")] = None,
    now: Annotated[bool, _NOW] = False,
) -> None:
    """Bring a private key of your own; from then on it is like one that `keys rotate` made.

    It is P-256, RSA of 2048 bits or more, or Ed25519. Its id is its RFC 7638 thumbprint, whatever it was called before.
    """
    from auth_svc.keys import read_private_key

    if algorithm is not None:
        _check_algorithm(algorithm)
    with refusals():
        text = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        private, found = read_private_key(text, algorithm)
    typer.echo(_add(private, found, now=now))


@keys.command(context_settings=_KEY_ID)
def retire(key_id: Annotated[str, typer.Argument(help="As `keys list` shows it.")]) -> None:
    """Forget a key that has not signed yet, or whose last token is of no use any more.

    Superseded keys retire by themselves; this takes back one that was announced by mistake.
    """
    operate(lambda app, connection: app.rotation.retire(connection, key_id))
    typer.echo(f"{key_id} is retired.")


@keys.command(context_settings=_KEY_ID)
def distrust(key_id: Annotated[str, typer.Argument(help="As `keys list` shows it.")]) -> None:
    """Make everything that a key has signed worthless, everywhere, at once. A new key takes its place."""

    def work(app: "AuthService", connection: "Connection") -> bool:
        return app.revocation.distrust_key(connection, key_id)

    if not operate(work):
        fail(f"no trusted key has the id {key_id}: see `auth-svc keys list`")
    typer.echo(f"{key_id} is distrusted.")


@keys.command()
def secret() -> None:
    """Make the file of the master secret (AUTH_SVC_SECRET_KEY_FILE) if there is none."""
    from auth_svc import secret_key

    settings = read_settings()
    with refusals():
        secret_key.load(settings.secret_key_file, create=True)
    typer.echo(f"{settings.secret_key_file} holds the master secret: back it up apart from the database.")


def _add(private: "PrivateKey", algorithm: str, *, now: bool) -> str:
    from auth_svc.keys import ANNOUNCED

    def work(app: "AuthService", connection: "Connection") -> str:
        moment = app.ledger.now()
        return app.rotation.add(connection, private, algorithm, active_at=moment if now else moment + ANNOUNCED)

    return operate(work)


def _check_algorithm(algorithm: str) -> None:
    from auth_svc.keys import ALGORITHMS

    if algorithm not in ALGORITHMS:
        fail(f"there is no {algorithm}: use one of {', '.join(ALGORITHMS)}")


def _moment(at: object) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
