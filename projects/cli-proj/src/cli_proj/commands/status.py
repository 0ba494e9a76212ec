"""`status`: how every part of the system is."""

from typing import TYPE_CHECKING, Annotated

import typer

from cli_proj.commands.options import OutputOption
from cli_proj.output import Format
from cli_proj.workbench import Workbench, run, workbench

if TYPE_CHECKING:
    from cli_proj.health import Health


def status(
    context: typer.Context,
    output: OutputOption = None,
    json: Annotated[bool, typer.Option("--json", help="The same as --output json.")] = False,
) -> None:
    """Ask every service how it is: its database, the bus, the outbox, the revocation view, the workers.

    Needs no sign-in. The exit code is 1 when something is not as it should be.
    """
    from cli_proj.health import ask

    bench = workbench(context, Format.JSON if json else output)
    settings = bench.settings
    healths = run(ask({"auth-svc": settings.issuer.rstrip("/"), "app-svc": settings.app_url}))
    all_ok = all(health.ok for health in healths)
    if bench.output.format is Format.JSON:
        bench.output.document({"ok": all_ok, "services": healths})
    elif bench.output.format is Format.JSONL:
        bench.output.lines(healths)
    else:
        _show(bench, healths)
        if not all_ok:
            bench.output.say("Something is not as it should be: see the lines that do not say ok.")
    if not all_ok:
        raise typer.Exit(1)


def _show(bench: Workbench, healths: "list[Health]") -> None:
    rows: list[tuple[str, str, str, str]] = []
    styles: list[str] = []
    for health in healths:
        told = health.detail or (f"version {health.version}" if health.version else "")
        rows.append((health.service, "", health.status.replace("_", " "), f"{health.address}  {told}".rstrip()))
        styles.append("green" if health.ok else "bold red")
        for name, check in health.checks.items():
            ok = check.get("ok") is True
            # What has parts of its own is for programs: --json has it.
            plain = {key: value for key, value in check.items() if key != "ok" and not isinstance(value, dict | list)}
            facts = ", ".join(_fact(key, value) for key, value in plain.items())
            rows.append(("", name, "ok" if ok else "NOT OK", facts))
            styles.append("" if ok else "red")
    bench.output.table(("service", "part", "state", "detail"), rows, styles=styles)


def _fact(key: str, value: object) -> str:
    """One fact in words: `{"heartbeat_age_seconds": 0.064}` is "heartbeat age 0.064 s"."""
    if isinstance(value, bool):
        text = "yes" if value else "no"
    elif value is None:
        text = "unknown"
    elif isinstance(value, float):
        text = f"{value:.3g}"
    else:
        text = str(value)
    unit = " s" if key.endswith("_seconds") and value is not None else ""
    return f"{key.removesuffix('_seconds').replace('_', ' ')} {text}{unit}"
