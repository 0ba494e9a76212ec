"""`status`: how every part of the system is."""

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from cli_proj.commands.options import OutputOption
from cli_proj.errors import ExitCode
from cli_proj.output import Format
from cli_proj.workbench import Workbench, run, workbench

if TYPE_CHECKING:
    from cli_proj.health import Health, Processes

OPERATORS = frozenset(("admin", "shipments:admin"))
"""The scopes with which one may ask the processes on the bus."""


def status(
    context: typer.Context,
    output: OutputOption = None,
    json: Annotated[bool, typer.Option("--json", help="The same as --output json.")] = False,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Look again and again, until Ctrl-C.")] = False,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks.")] = 2.0,
    count: Annotated[int | None, typer.Option(min=1, help="Stop after so many looks.", show_default="never")] = None,
) -> None:
    """Ask every service how it is: its database, the bus, the outbox, the revocation view, the workers.

    Needs no sign-in. For an operator who is signed in, every process on the bus tells as well: what its consumers have
    still to do, dead letters, how the streams are kept. They are asked on the bus, or by way of auth-svc where that is
    out of reach. The exit code is 7 when something is not as it should be.
    """
    bench = workbench(context, Format.JSON if json else output)
    looks = count if count is not None else None if watch else 1
    if not run(_look(bench, looks, every)):
        raise typer.Exit(ExitCode.AWAY)


async def _look(bench: Workbench, looks: int | None, every: float) -> bool:
    """Whether all was well at the last look."""
    import asyncio

    from cli_proj.health import Processes

    seen = 0
    async with bench.session() as session:
        asked = Processes(session, bench.settings.issuer.rstrip("/"))
        try:
            while True:
                all_ok = await _look_once(bench, asked, again=looks != 1)
                seen += 1
                if seen == looks:
                    return all_ok
                await asyncio.sleep(every)
        finally:
            await asked.close()


async def _look_once(bench: Workbench, asked: "Processes", *, again: bool) -> bool:
    import asyncio

    from cli_proj.health import ask

    settings = bench.settings
    others = asyncio.ensure_future(ask("app-svc", settings.app_url))
    issuer = await ask("auth-svc", settings.issuer.rstrip("/"))
    processes, unknown = await _processes(bench, asked, issuer.bus_addresses)
    services = [issuer, await others]
    healths = [*services, *processes]
    all_ok = all(health.ok for health in healths)
    if bench.output.format is Format.JSON:
        told = {"ok": all_ok, "services": services, "processes": processes, "unknown": unknown}
        bench.output.document({**told, "asked_by": asked.asked_by})
    elif bench.output.format is Format.JSONL:
        bench.output.lines(healths)
    else:
        if again:
            bench.output.clear()
        _show(bench, services, processes)
        if unknown:
            bench.output.say(unknown)
        elif issuer.bus_addresses and asked.asked_by == "auth-svc":
            bench.output.say(f"The bus is out of reach ({', '.join(issuer.bus_addresses)}): auth-svc has asked there.")
        if all(service.status == "away" for service in services):
            bench.output.say("No service answers. On this machine, `uv run main.py` starts them all.")
        elif not all_ok:
            bench.output.say("Something is not as it should be: see the lines that do not say ok.")
    return all_ok


async def _processes(
    bench: Workbench, asked: "Processes", addresses: "Sequence[str]"
) -> "tuple[list[Health], str | None]":
    """Every process on the bus, or why that is not known."""
    import msgspec

    from cli_proj.translation import translate
    from lib_one import http
    from lib_two.errors import StoreError, TokenError

    tokens = None
    with contextlib.suppress(StoreError):
        tokens = bench.token_store().load(bench.settings.issuer, bench.settings.client_id)
    if tokens is None or OPERATORS.isdisjoint(tokens.scope.split()):
        return [], "Workers, consumers and dead letters are shown to operators who are signed in: cli-proj login"
    try:
        found = await asked.ask(addresses)
    except (TokenError, http.HTTPError) as error:
        return [], f"The processes on the bus could not be asked: {translate(error).message}"
    except msgspec.MsgspecError:
        return [], "The processes on the bus could not be asked: what auth-svc answered cannot be read."
    if found is None:
        return [], "The processes on the bus could not be asked: auth-svc does not reach it either."
    return found, None


def _show(bench: Workbench, services: "Sequence[Health]", processes: "Sequence[Health]") -> None:
    rows: list[tuple[str, str, str, str]] = []
    styles: list[str] = []
    on_the_bus = {process.service for process in processes}
    for health in (*services, *processes):
        told = health.detail or (f"version {health.version}" if health.version else "")
        where = health.address or f"on the bus since {health.started:%Y-%m-%d %H:%M}"
        rows.append((health.service, health.role or "", health.status.replace("_", " "), f"{where}  {told}".rstrip()))
        styles.append("green" if health.ok else "bold red")
        for name, check in health.checks.items():
            ok = check.get("ok") is True
            if ok and health.address and health.service in on_the_bus:
                continue  # its process tells it, and more
            # What has parts of its own is for programs, and so is when a stream was made: --json has it.
            plain = {key: value for key, value in check.items() if key not in {"ok", "stream"}}
            facts = ", ".join(_fact(key, value) for key, value in plain.items() if not isinstance(value, dict | list))
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
