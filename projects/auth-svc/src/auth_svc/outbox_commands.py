"""What an operator does from the command line with facts that were sent: publish them again.

auth-svc has no durable consumer of its own, so it has no dead letters either.
"""

from typing import Annotated

import typer

from auth_svc.commands import fail, operate

outbox = typer.Typer(help="Facts on their way to the bus: republish.", no_args_is_help=True)


@outbox.command("republish")
def republish(
    since: Annotated[str, typer.Option(metavar="MOMENT", help="10m, 2h, 1d, or a time such as 2026-11-21T10:00Z.")],
) -> None:
    """Publish again, under their old ids, the facts that were sent since a moment; sent facts are kept for a day.

    A stream that was lost is filled again without this command. Revocations are published again by themselves.
    """
    from lib_one.event import utc_now
    from lib_one.moments import moment
    from lib_one.sql import send_again

    try:
        begin = moment(since, now=utc_now())
    except ValueError as error:
        fail(str(error))
    count = operate(lambda _app, connection: send_again(connection, since=begin))
    typer.echo(f"{count} facts wait to be sent again.")
