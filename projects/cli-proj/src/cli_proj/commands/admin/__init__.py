"""`admin`: what operators do from afar, with their own sign-in."""

import typer

from cli_proj.commands.admin.revoke import revoke

app = typer.Typer(name="admin", help="For operators: end what was issued.", no_args_is_help=True)
app.command()(revoke)
