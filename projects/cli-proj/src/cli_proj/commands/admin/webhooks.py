"""`admin webhooks`: signed messages to systems outside, of app-svc or auth-svc."""

import enum
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli_proj.commands.options import OutputOption
from cli_proj.errors import CliError, ExitCode
from cli_proj.output import Format, printable
from cli_proj.workbench import Workbench, run, workbench

if TYPE_CHECKING:
    from cli_proj.api import Answer, Webhook, Webhooks

app = typer.Typer(
    name="webhooks",
    help="Signed messages to systems outside: add, list, show, change, enable, rotate, test, log, redeliver, remove.",
    no_args_is_help=True,
)


class Service(enum.StrEnum):
    """Whose webhooks."""

    APP = "app-svc"
    AUTH = "auth-svc"


class State(enum.StrEnum):
    """How a delivery stands."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"


At = Annotated[Service, typer.Option("--at", help="app-svc tells of shipments, auth-svc of people, sign-ins, tokens.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="As `admin webhooks list` shows it.")]
Types = Annotated[
    list[str] | None,
    typer.Option("--type", "-t", help="A type of events, a pattern such as shipment.*, or *; more with more -t."),
]


@app.command()
def add(
    context: typer.Context,
    url: Annotated[str, typer.Argument(metavar="URL", help="Where to send: an https address.")],
    types: Types = None,
    description: Annotated[str, typer.Option(help="A few words.")] = "",
    at: At = Service.APP,
    output: OutputOption = None,
) -> None:
    """Make a webhook and show its secret, this once. Without --type it gets every event."""
    wanted = {"url": url, "types": types or ["*"], "description": description}
    run(_show(workbench(context, output), at, lambda hooks: hooks.add(wanted)))


@app.command("list")
def list_(context: typer.Context, at: At = Service.APP, output: OutputOption = None) -> None:
    """List webhooks, the oldest first: red if disabled, yellow if nothing arrives just now."""
    run(_list(workbench(context, output), at))


@app.command()
def show(context: typer.Context, id_: Id, at: At = Service.APP, output: OutputOption = None) -> None:
    """Show one webhook."""
    run(_show(workbench(context, output), at, lambda hooks: hooks.find(id_)))


@app.command()
def change(
    context: typer.Context,
    id_: Id,
    url: Annotated[str | None, typer.Option(help="Another address.")] = None,
    types: Types = None,
    description: Annotated[str | None, typer.Option(help="Other words.")] = None,
    disable: Annotated[bool, typer.Option("--disable", help="Send nothing more until it is enabled.")] = False,
    at: At = Service.APP,
    output: OutputOption = None,
) -> None:
    """Change what is named."""
    named = {"url": url, "types": types, "description": description, "state": "disabled" if disable else None}
    changes = {name: value for name, value in named.items() if value is not None}
    run(_show(workbench(context, output), at, lambda hooks: hooks.change(id_, changes)))


@app.command()
def enable(context: typer.Context, id_: Id, at: At = Service.APP, output: OutputOption = None) -> None:
    """Send again what happens from now on; what failed before is sent by `redeliver`."""
    run(_show(workbench(context, output), at, lambda hooks: hooks.change(id_, {"state": "enabled"})))


@app.command()
def rotate(
    context: typer.Context,
    id_: Id,
    overlap: Annotated[int, typer.Option(min=0, max=168, help="Hours in which the old secret signs as well.")] = 24,
    at: At = Service.APP,
    output: OutputOption = None,
) -> None:
    """Give it another secret and show that, this once."""
    run(_show(workbench(context, output), at, lambda hooks: hooks.rotate(id_, overlap)))


@app.command("test")
def try_out(context: typer.Context, id_: Id, at: At = Service.APP) -> None:
    """Send a message that says nothing but that messages arrive."""
    run(_try_out(workbench(context), at, id_))


@app.command()
def log(
    context: typer.Context,
    id_: Id,
    state: Annotated[State | None, typer.Option(help="Only those that stand so.")] = None,
    before: Annotated[str | None, typer.Option(help="Go on where a list stopped (`before`).")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=100, help="At most so many.")] = 50,
    at: At = Service.APP,
    output: OutputOption = None,
) -> None:
    """List what was sent or is to be sent, the newest first. JSON has every attempt."""
    wanted = {"state": state and state.value, "before": before, "limit": str(limit)}
    run(_log(workbench(context, output), at, id_, {name: value for name, value in wanted.items() if value is not None}))


@app.command()
def redeliver(
    context: typer.Context,
    id_: Id,
    delivery: Annotated[str | None, typer.Option(help="This delivery, as `log` shows it.")] = None,
    since: Annotated[
        str | None, typer.Option(metavar="MOMENT", help="All that failed since: 10m, 2h, 1d, 2026-11-21T10:00Z.")
    ] = None,
    at: At = Service.APP,
) -> None:
    """Send once more, under the same ids."""
    bench = workbench(context)
    wanted: dict[str, str] = {}
    if delivery is not None:
        wanted["delivery_id"] = delivery
    if since is not None:
        wanted["since"] = _moment(bench, since)
    if len(wanted) != 1:
        raise CliError("Say either --delivery or --since.", code=ExitCode.USAGE)
    run(_redeliver(bench, at, id_, wanted))


@app.command()
def remove(
    context: typer.Context,
    id_: Id,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    at: At = Service.APP,
) -> None:
    """Forget a webhook and what waits for it."""
    bench = workbench(context)
    if not yes:
        typer.confirm(f"Remove webhook {id_} for good?", abort=True, err=True)
    run(_remove(bench, at, id_))


async def _show(bench: Workbench, at: Service, ask: Any) -> None:
    async with _webhooks(bench, at) as hooks:
        answer: Answer[Webhook] = await ask(hooks)
    if bench.output.format is not Format.TABLE:
        bench.output.document(answer.raw)
        return
    hook = answer.value
    shown: dict[str, object] = {
        "id": hook.id,
        "url": hook.url,
        "types": ", ".join(hook.types),
        "description": hook.description or None,
        "state": hook.state if hook.reason is None else f"{hook.state}: {hook.reason}",
        "failing since": hook.failing_since,
        "waiting": hook.waiting,
        "old secret until": hook.old_secret_until,
    }
    if hook.secret is not None:
        shown["secret"] = hook.secret
    bench.output.record({name: value for name, value in shown.items() if value is not None})


async def _list(bench: Workbench, at: Service) -> None:
    async with _webhooks(bench, at) as hooks:
        answer = await hooks.everything()
    if bench.output.format is Format.JSON:
        bench.output.document(answer.raw)
    elif bench.output.format is Format.JSONL:
        bench.output.lines(answer.raw["webhooks"])
    elif not answer.value.webhooks:
        bench.output.say(f"{at.value} has no webhooks.")
    else:
        rows, styles = [], []
        for hook in answer.value.webhooks:
            state = hook.state if hook.reason is None else f"{hook.state}: {hook.reason}"
            rows.append((hook.id, hook.url, ", ".join(hook.types), state, hook.waiting, hook.failing_since))
            styles.append("red" if hook.state == "disabled" else "yellow" if hook.failing_since else "")
        columns = ("id", "url", "types", "state", "waiting", "failing since")
        bench.output.table(columns, rows, styles=styles, optional=("types", "failing since"))


async def _log(bench: Workbench, at: Service, id_: str, wanted: dict[str, str]) -> None:
    async with _webhooks(bench, at) as hooks:
        answer = await hooks.log(id_, wanted)
    if bench.output.format is Format.JSON:
        bench.output.document(answer.raw)
        return
    if bench.output.format is Format.JSONL:
        bench.output.lines(answer.raw["deliveries"])
        return
    rows, styles = [], []
    for each in answer.value.deliveries:
        last = each.attempts[-1].problem if each.attempts else None
        row = (
            each.delivery_id,
            each.recorded_at,
            each.type,
            each.state,
            len(each.attempts),
            last,
            each.next_attempt_at,
        )
        rows.append(row)
        styles.append("red" if each.state == "failed" else "yellow" if last else "")
    columns = ("delivery", "when (UTC)", "type", "state", "attempts", "problem", "next")
    bench.output.table(columns, rows, styles=styles, optional=("next", "attempts"))
    if answer.value.before is not None:
        bench.output.say(f"More with --before {printable(answer.value.before)}.")


async def _try_out(bench: Workbench, at: Service, id_: str) -> None:
    async with _webhooks(bench, at) as hooks:
        delivery = (await hooks.test(id_)).value.delivery_id
    bench.output.say(f"Delivery {printable(delivery)} is on its way: `admin webhooks log` shows what becomes of it.")


async def _redeliver(bench: Workbench, at: Service, id_: str, wanted: dict[str, str]) -> None:
    async with _webhooks(bench, at) as hooks:
        count = (await hooks.redeliver(id_, wanted)).value.deliveries
    bench.output.say(f"{count} on the way once more.")


async def _remove(bench: Workbench, at: Service, id_: str) -> None:
    async with _webhooks(bench, at) as hooks:
        await hooks.remove(id_)
    bench.output.say("It is removed.")


def _moment(bench: Workbench, text: str) -> str:
    from lib_one.moments import moment

    try:
        return moment(text, now=bench.now()).isoformat()
    except ValueError as error:
        raise CliError(f"--since: {error}.", code=ExitCode.USAGE) from error


@asynccontextmanager
async def _webhooks(bench: Workbench, at: Service) -> "AsyncIterator[Webhooks]":
    """The webhooks of a service; what to do next where it says that there is no such webhook."""
    from cli_proj.api import Webhooks
    from lib_two.errors import ApiError

    base = bench.settings.app_url if at is Service.APP else bench.settings.issuer.rstrip("/")
    async with bench.session() as session:
        try:
            yield Webhooks(session, base)
        except ApiError as error:
            if error.status != 404:
                raise
            hint = f"`cli-proj admin webhooks list --at {at.value}` shows those that there are."
            raise CliError(error.detail or error.title, hint, code=ExitCode.NOT_FOUND) from error
