"""`admin revoke`: end what was issued, and see which services refuse it."""

from typing import Annotated

import typer

from cli_proj.commands.options import OutputOption
from cli_proj.errors import CliError, ExitCode, malformed
from cli_proj.output import Format, printable
from cli_proj.workbench import Workbench, run, workbench
from lib_two.admin import LONGEST_WAIT, Kind, Report

_REFUSED = {
    403: (ExitCode.NOT_ALLOWED, "This is for operators: `cli-proj whoami` shows who is signed in here."),
    404: (
        ExitCode.NOT_FOUND,
        "A person is named by user name or sub, a client by its client_id. Check the kind too.",
    ),
}
"""Exit code and next step for what auth-svc refuses."""


def revoke(
    context: typer.Context,
    kind: Annotated[
        Kind, typer.Argument(metavar="KIND", help="One token, a grant, a sign-in, all of a person, all of a client.")
    ],
    id_: Annotated[str, typer.Argument(metavar="ID", help="Its jti, grant_id, sid, sub (or user name), or client_id.")],
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the services that check tokens refuse it.")] = False,
    timeout: Annotated[float, typer.Option(min=0.1, max=LONGEST_WAIT, help="Seconds to wait, at most.")] = 5,
    output: OutputOption = None,
) -> None:
    """End what was issued: tokens are refused everywhere, refresh tokens and sign-ins are void.

    ```sh
    cli-proj admin revoke subject dan --wait
    ```

    With --wait it shows every service that checks tokens and is on the bus, and after how many milliseconds it had
    applied the revocation; the exit code is 7 if one has not, or if the bus is away.
    """
    bench = workbench(context, output)
    report = run(_revoke(bench, kind, id_, wait=timeout if wait else 0))
    if bench.output.format is Format.JSON:
        bench.output.document(report.answer)
    elif bench.output.format is Format.JSONL:
        bench.output.lines([report.answer])
    else:
        bench.output.say(f"The {kind.value} {printable(report.id)} is revoked.")
        if wait:
            _show(bench, report)
    if wait and not report.complete:
        raise typer.Exit(ExitCode.AWAY)


async def _revoke(bench: Workbench, kind: Kind, id_: str, *, wait: float) -> Report:
    import msgspec

    from lib_two import admin
    from lib_two.errors import ApiError

    async with bench.session() as session:
        try:
            return await admin.revoke(session, kind, id_, wait=wait)
        except ApiError as error:
            if error.status not in _REFUSED:
                raise
            code, hint = _REFUSED[error.status]
            raise CliError(error.detail or error.title, hint, code=code) from error
        except msgspec.MsgspecError as error:
            raise malformed(bench.settings.issuer, str(error)) from error


def _show(bench: Workbench, report: Report) -> None:
    if report.sequence is None:
        bench.output.say("The bus did not tell of it in time: nobody knows which services refuse it yet.")
        return
    if not report.services:
        bench.output.say("No service that checks tokens is on the bus.")
        return
    rows, styles = [], []
    for service in report.services:
        after = "not yet" if service.after_ms is None else f"{service.after_ms} ms"
        rows.append((service.name, service.version, service.id, after))
        styles.append("red" if service.after_ms is None else "green")
    bench.output.table(("service", "version", "instance", "refused after"), rows, styles=styles, optional=("instance",))
