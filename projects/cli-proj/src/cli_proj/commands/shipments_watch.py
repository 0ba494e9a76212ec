"""`shipments watch`: what happens, while it happens."""

import contextlib
from typing import TYPE_CHECKING, Annotated

import typer

from cli_proj.commands.options import OutputOption
from cli_proj.output import Format, Output, printable
from cli_proj.workbench import Workbench, run, workbench

if TYPE_CHECKING:
    from lib_two.live import LiveEvent


def watch(
    context: typer.Context,
    shipment: Annotated[str | None, typer.Option(metavar="REFERENCE", help="Only this shipment.")] = None,
    after: Annotated[
        str | None, typer.Option(metavar="ID", help="Begin after this event, so that none is missed.")
    ] = None,
    count: Annotated[int | None, typer.Option(min=1, help="Stop after so many events.", show_default="never")] = None,
    output: OutputOption = None,
) -> None:
    """Watch shipments move, live. Ctrl-C stops; a lost connection is taken up again where it was.

    ```sh
    cli-proj shipments watch -o jsonl | jq .data.shipment.reference
    ```
    """
    bench = workbench(context, output)
    run(_watch(bench, shipment, after, count))


async def _watch(bench: Workbench, key: str | None, after: str | None, count: int | None) -> None:
    import asyncio

    from lib_two import live

    output = bench.output
    last, seen, stopping, broken = after, 0, False, False
    task = asyncio.current_task()

    def on_state(connected: bool) -> None:
        nonlocal broken
        if connected:
            output.say("Watching again; nothing was missed." if broken else "Watching. Ctrl-C stops.")
        elif not stopping and not (task and task.cancelling()):
            broken = True
            output.say("The connection has ended; taking it up again …")

    async with bench.shipments() as shipments:
        # The feed waits for a service that is away; whoever starts watching wants to know at once.
        await shipments.page({"limit": 1})
        url = shipments.live_url
        if key is not None:
            url += f"?shipment_id={await shipments.resolve(key)}"
        feed = live.events(shipments.session, url, last_event_id=after, on_state=on_state)
        try:
            async with contextlib.aclosing(feed):
                async for event in feed:
                    last, seen = event.id or last, seen + 1
                    stopping = True  # what ends the feed while it is our turn is no lost connection
                    _tell(output, event)
                    if count is not None and seen >= count:
                        return
                    stopping = False
        except asyncio.CancelledError:
            going_on = f" To go on from here: --after {printable(last)}" if last else ""
            output.say(f"\nStopped after {seen:,} event{'' if seen == 1 else 's'}.{going_on}")
            raise


def _tell(output: Output, event: "LiveEvent") -> None:
    from cli_proj.api import live_data

    if output.format is not Format.TABLE:
        output.lines([{"id": event.id, "kind": event.kind, "data": event.data}])
        return
    shipment, entry = live_data(event.data)
    where = printable(str(entry.place))
    late = "  LATE" if shipment.late else ""
    note = f"  “{printable(entry.note)}”" if entry.note else ""
    output.write(
        f"{entry.occurred_at:%H:%M:%S}  {printable(shipment.reference):<14} {entry.what:<11} {where}{late}{note}"
    )
