"""`scan`: somebody saw a shipment."""

import enum
import uuid
from typing import Annotated

import typer

from cli_proj.commands.options import OutputOption
from cli_proj.errors import CliError, ExitCode
from cli_proj.moments import moment
from cli_proj.output import Format, printable
from cli_proj.workbench import Workbench, run, workbench

PATIENCE = 15.0
"""Seconds to try for when app-svc is away. A scan has an id of its own, so trying again makes no second scan."""


class Step(enum.StrEnum):
    """What was being done, in the words of the Core Business Vocabulary 2.0."""

    ACCEPTING = "accepting"
    LOADING = "loading"
    DEPARTING = "departing"
    ARRIVING = "arriving"
    UNLOADING = "unloading"
    STORING = "storing"
    RECEIVING = "receiving"


def scan(
    context: typer.Context,
    reference: Annotated[str, typer.Argument(metavar="REFERENCE", help="The reference or the id of the shipment.")],
    step: Annotated[
        Step,
        typer.Argument(
            metavar="STEP",
            help="What was being done: accepting, loading, departing, arriving, unloading, storing or receiving. "
            "`receiving` is the delivery.",
        ),
    ],
    at: Annotated[str, typer.Option("--at", help='Where, such as "Lagos Airport".', show_default=False)],
    country: Annotated[str | None, typer.Option(help="The country of that place.")] = None,
    lat: Annotated[
        float | None, typer.Option(min=-90, max=90, metavar="DEGREES", help="Its latitude in degrees.")
    ] = None,
    lon: Annotated[
        float | None, typer.Option(min=-180, max=180, metavar="DEGREES", help="Its longitude in degrees.")
    ] = None,
    note: Annotated[str | None, typer.Option(help="Anything worth saying.")] = None,
    when: Annotated[
        str | None,
        typer.Option("--when", metavar="TIME", help="2026-11-20T14:30 (UTC, or with an offset).", show_default="now"),
    ] = None,
    scan_id: Annotated[
        uuid.UUID | None,
        typer.Option(help="An id of your own: the same one again is the same scan.", show_default="a new one"),
    ] = None,
    output: OutputOption = None,
) -> None:
    """Record that a shipment was seen. For clerks and drivers.

    ```sh
    cli-proj scan ASN-8 arriving --at "Abidjan Port" --country "Côte d'Ivoire"
    ```
    """
    bench = workbench(context, output)
    if (lat is None) != (lon is None):
        raise CliError("Half a position.", "Give both --lat and --lon, or neither.", code=ExitCode.USAGE)
    place = {"name": at, "country": country, "latitude": lat, "longitude": lon}
    occurred_at = moment(when, option="--when") if when is not None else None
    body: dict[str, object] = {
        "scan_id": scan_id or uuid.uuid4(),
        "biz_step": step.value,
        "place": {name: value for name, value in place.items() if value is not None},
        "occurred_at": occurred_at or bench.now(),
    }
    if note is not None:
        body["note"] = note
    run(_scan(bench, reference, step, body, at))


async def _scan(bench: Workbench, reference: str, step: Step, body: dict[str, object], at: str) -> None:
    from cli_proj.patience import patiently

    def waiting(failure: CliError, seconds: float) -> None:
        bench.output.say(f"{failure.message} Trying again in {seconds:.1f} s …")

    async with bench.shipments() as shipments:
        answer = await patiently(lambda: shipments.scan(reference, body), seconds=PATIENCE, waiting=waiting)
    shipment = answer.value.shipment
    if bench.output.format is not Format.TABLE:
        bench.output.document(answer.raw)
        return
    known = "recorded" if answer.status == 201 else "known already"
    bench.output.write(
        f"{printable(shipment.reference)}: {step.value} at {printable(at)}, {known}. "
        f"The shipment is {shipment.status.replace('_', ' ')}{', late' if shipment.late else ''}."
    )
