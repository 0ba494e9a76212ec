"""`admin revoke`: end what was issued, and see which services refuse it."""

import enum
from typing import Annotated, Any

import typer

from cli_proj.commands.options import OutputOption
from cli_proj.errors import ExitCode, malformed
from cli_proj.output import Format, printable
from cli_proj.workbench import Workbench, run, workbench


class Kind(enum.StrEnum):
    """What can be ended."""

    TOKEN = "token"
    GRANT = "grant"
    SESSION = "session"
    SUBJECT = "subject"
    CLIENT = "client"


def revoke(
    context: typer.Context,
    kind: Annotated[Kind, typer.Argument(help="One token, a grant, a sign-in, all of a person, all of a client.")],
    id_: Annotated[str, typer.Argument(metavar="ID", help="Its jti, grant_id, sid, sub (or user name), or client_id.")],
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the services that check tokens refuse it.")] = False,
    timeout: Annotated[float, typer.Option(min=0.1, max=30, help="Seconds to wait, at most.")] = 5,
    output: OutputOption = None,
) -> None:
    """End what was issued: tokens are refused everywhere, refresh tokens and sign-ins are void.

    With --wait it shows every service that checks tokens and is on the bus, and after how many milliseconds it had
    applied the revocation; the exit code is 7 if one has not, or if the bus is away.
    """
    bench = workbench(context, output)
    report = run(_revoke(bench, {"kind": kind.value, "id": id_, "wait": timeout if wait else 0}))
    if bench.output.format is Format.JSON:
        bench.output.document(report)
    elif bench.output.format is Format.JSONL:
        bench.output.lines([report])
    else:
        bench.output.say(f"The {kind.value} {printable(report['id'])} is revoked.")
        if wait:
            _show(bench, report)
    if wait and not report["complete"]:
        raise typer.Exit(ExitCode.AWAY)


async def _revoke(bench: Workbench, wanted: dict[str, object]) -> dict[str, Any]:
    import msgspec

    address = f"{bench.settings.issuer.rstrip('/')}/admin/revocations"
    async with bench.session() as session:
        answer = await session.request(
            "POST",
            address,
            content=msgspec.json.encode(wanted),
            headers={"content-type": "application/json"},
            timeout=40.0,
        )
    try:
        report = msgspec.json.decode(answer.content)
        msgspec.convert(report, _report())
    except msgspec.MsgspecError as error:
        raise malformed(address, str(error)) from error
    told: dict[str, Any] = report
    return told


def _report() -> type:
    """What is read of the answer. The type is made here because msgspec is loaded late."""
    import msgspec

    service = msgspec.defstruct("service", [("name", str), ("id", str), ("version", str), ("after_ms", float | None)])
    return msgspec.defstruct(
        "report",
        [("id", str), ("sequence", int | None), ("complete", bool), ("services", list[service])],  # type: ignore[valid-type]
    )


def _show(bench: Workbench, report: dict[str, Any]) -> None:
    if report["sequence"] is None:
        bench.output.say("The bus did not tell of it in time: nobody knows which services refuse it yet.")
        return
    if not report["services"]:
        bench.output.say("No service that checks tokens is on the bus.")
        return
    rows, styles = [], []
    for service in report["services"]:
        after = service["after_ms"]
        rows.append((service["name"], service["version"], service["id"], "not yet" if after is None else f"{after} ms"))
        styles.append("red" if after is None else "green")
    bench.output.table(("service", "version", "instance", "refused after"), rows, styles=styles, optional=("instance",))
