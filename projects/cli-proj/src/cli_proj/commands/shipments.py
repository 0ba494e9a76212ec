"""`shipments`: list, show, register. (`import` and `watch` have files of their own.)"""

import enum
import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli_proj.commands.options import OutputOption
from cli_proj.commands.shipments_import import import_
from cli_proj.commands.shipments_watch import watch
from cli_proj.moments import moment
from cli_proj.output import Format, Output, printable
from cli_proj.workbench import Workbench, run, workbench

if TYPE_CHECKING:
    from cli_proj.api import Shipment
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

app = typer.Typer(name="shipments", rich_markup_mode="markdown")


@app.callback(invoke_without_command=True)
def shipments(context: typer.Context) -> None:
    """Look at shipments, register them, import them, watch them move."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit


class Status(enum.StrEnum):
    """How far a shipment is."""

    REGISTERED = "registered"
    IN_TRANSIT = "in_transit"
    DELIVERED = "delivered"


# list -----------------------------------------------------------------------------------------------------------------


@app.command("list")
def list_(
    context: typer.Context,
    status: Annotated[Status | None, typer.Option(help="Only those that are this far.")] = None,
    country: Annotated[str | None, typer.Option(help="Only those that go to this country.")] = None,
    late: Annotated[bool | None, typer.Option("--late/--on-time", help="Only late ones, or only the others.")] = None,
    search: Annotated[str | None, typer.Option("--search", "-q", help="Only those with this text in them.")] = None,
    reference: Annotated[str | None, typer.Option(help="Only the one with exactly this reference.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many.")] = 50,
    everything: Annotated[bool, typer.Option("--all", help="All of them, however many.")] = False,
    cursor: Annotated[str | None, typer.Option(help="Go on where a list stopped (`next_cursor`).")] = None,
    output: OutputOption = None,
) -> None:
    """List shipments, the newest first.

    ```sh
    cli-proj shipments list --late --country Nigeria
    ```
    """
    bench = workbench(context, output)
    filters: dict[str, str | int | bool | None] = {
        "status": status.value if status is not None else None,
        "country": country,
        "late": late,
        "q": search,
        "reference": reference,
    }
    run(_list(bench, filters, limit=None if everything else limit, cursor=cursor))


async def _list(
    bench: Workbench, filters: dict[str, str | int | bool | None], *, limit: int | None, cursor: str | None
) -> None:
    from cli_proj.api import PAGE_LIMIT

    found: list[Shipment] = []
    raw: list[Any] = []
    printed = total = 0
    async with bench.shipments() as shipments:
        while True:
            wanted = PAGE_LIMIT if limit is None else min(PAGE_LIMIT, limit - printed - len(raw))
            page = await shipments.page({**filters, "limit": wanted, "cursor": cursor})
            found += page.value.items
            raw += page.raw["items"]
            total, cursor = page.value.total, page.value.next_cursor
            if bench.output.format is Format.JSONL:
                # Page by page: whoever reads needs not wait for all of it.
                bench.output.lines(raw)
                printed += len(raw)
                raw, found = [], []
            if not cursor or (limit is not None and printed + len(raw) >= limit):
                break
    if bench.output.format is Format.JSON:
        bench.output.document({"items": raw, "total": total, "next_cursor": cursor})
    elif bench.output.format is Format.TABLE:
        _table(bench.output, found, total)


def _table(output: Output, found: "list[Shipment]", total: int) -> None:
    if not found:
        output.say("No shipment is like that." if total == 0 else "No more shipments.")
        return
    columns = ("reference", "status", "late", "from", "to", "last seen", "promised", "delivered")
    rows = [
        (
            one.reference,
            one.status.replace("_", " "),
            "late" if one.late else "",
            str(one.origin),
            str(one.destination),
            one.last_place and str(one.last_place),
            one.promised_at,
            one.delivered_at,
        )
        for one in found
    ]
    styles = ["red" if one.late else "" for one in found]
    output.table(columns, rows, styles=styles, optional=("last seen", "delivered", "late", "promised"))
    if len(found) < total:
        output.say(f"{len(found):,} of {total:,}. More with --limit N or --all.")


# show -----------------------------------------------------------------------------------------------------------------


@app.command()
def show(
    context: typer.Context,
    key: Annotated[str, typer.Argument(metavar="REFERENCE", help="The reference or the id of the shipment.")],
    output: OutputOption = None,
) -> None:
    """Show one shipment and everything that happened to it.

    ```sh
    cli-proj shipments show ASN-8
    ```
    """
    bench = workbench(context, output)
    run(_show(bench, key))


async def _show(bench: Workbench, key: str) -> None:
    async with bench.shipments() as shipments:
        answer = await shipments.timeline(key)
    output = bench.output
    if output.format is not Format.TABLE:
        output.document(answer.raw)
        return
    one, entries = answer.value.shipment, answer.value.entries
    output.record(
        {
            "reference": one.reference,
            "status": one.status.replace("_", " ") + (", late" if one.late else ""),
            "from": str(one.origin),
            "to": str(one.destination),
            "last seen": one.last_place and str(one.last_place),
            "promised": one.promised_at,
            "delivered": one.delivered_at,
            "id": one.id,
        }
    )
    output.write("")
    if not entries:
        output.say("The timeline is not written yet; it follows within moments.")
        return
    output.table(
        ("when (UTC)", "what", "where", "by", "note"),
        [(entry.occurred_at, entry.what, str(entry.place), _who(entry.by), entry.note or "") for entry in entries],
    )


def _who(subject: str) -> str:
    """Who recorded it. Of a person's id the end is enough to tell people apart; its beginning is a date."""
    return f"…{subject[-8:]}" if _UUID.fullmatch(subject) else subject


# register -------------------------------------------------------------------------------------------------------------


@app.command()
def register(
    context: typer.Context,
    reference: Annotated[
        str, typer.Argument(metavar="REFERENCE", help="Your own number for it. No two shipments have the same.")
    ],
    origin: Annotated[
        str, typer.Option("--from", help='Where it starts, such as "Remedica, Limassol".', show_default=False)
    ],
    destination: Annotated[str, typer.Option("--to", help="Where it goes.", show_default=False)],
    origin_country: Annotated[str | None, typer.Option("--from-country", help="The country where it starts.")] = None,
    destination_country: Annotated[str | None, typer.Option("--to-country", help="The country where it goes.")] = None,
    promised: Annotated[
        str | None, typer.Option(metavar="TIME", help="When it shall be there: 2026-12-01 (UTC, or with an offset).")
    ] = None,
    output: OutputOption = None,
) -> None:
    """Register a shipment. Doing it twice changes nothing.

    ```sh
    cli-proj shipments register PO-7 --from "Limassol" --to "Lusaka" --to-country Zambia --promised 2026-12-01
    ```
    """
    bench = workbench(context, output)
    body: dict[str, object] = {
        "reference": reference,
        "origin": _place(origin, origin_country),
        "destination": _place(destination, destination_country),
    }
    if promised is not None:
        body["promised_at"] = moment(promised, option="--promised")
    run(_register(bench, body))


def _place(name: str, country: str | None) -> dict[str, str]:
    return {"name": name, "country": country} if country is not None else {"name": name}


async def _register(bench: Workbench, body: dict[str, object]) -> None:
    async with bench.shipments() as shipments:
        answer = await shipments.register(body)
    if bench.output.format is not Format.TABLE:
        bench.output.document(answer.raw)
        return
    one = answer.value
    known = "registered" if answer.status == 201 else "is registered already, with the same content"
    bench.output.write(f"{printable(one.reference)} {known}. Its id is {printable(one.id)}.")


app.command("import")(import_)
app.command()(watch)
