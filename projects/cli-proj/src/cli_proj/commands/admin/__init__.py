"""`admin`: what operators do from afar, with their own sign-in."""

import typer

from cli_proj.commands.admin import dead, webhooks
from cli_proj.commands.admin.revoke import revoke

app = typer.Typer(
    name="admin", help="For operators: end what was issued, dead letters, webhooks.", no_args_is_help=True
)
app.command()(revoke)
app.add_typer(dead.app)
app.add_typer(webhooks.app)
