"""`shipments import`: a CSV file becomes shipments."""

import csv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli_proj.commands.options import OutputOption
from cli_proj.errors import CliError, ExitCode
from cli_proj.output import Format, Output, printable
from cli_proj.workbench import Workbench, run, workbench

if TYPE_CHECKING:
    from cli_proj.api import Result
    from cli_proj.csv_import.plan import Plan
    from cli_proj.csv_import.send import Entry, Problem, Tally

SHOWN = 20
"""So many problems are shown on the terminal; --report has all of them."""


def import_(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The CSV file. Its first line names the columns.", show_default=False)
    ],
    map_file: Annotated[
        Path,
        typer.Option(
            "--map", metavar="MAP.toml", help="The TOML file that says what the columns mean.", show_default=False
        ),
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen, and change nothing.")] = False,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write everything that was not imported to this CSV file: line, reference, outcome, reason.",
        ),
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Also tell where lines of one shipment differ.")
    ] = False,
    patience: Annotated[
        float, typer.Option(min=0, max=86_400, metavar="SECONDS", help="How long to wait for a service that is away.")
    ] = 60.0,
    output: OutputOption = None,
) -> None:
    """Register the shipments of any CSV file, by way of a mapping.

    ```sh
    cli-proj shipments import history.csv --map history.toml --dry-run
    ```

    Lines with the same reference are one shipment. A shipment with a bad line is left out whole, and reported with the
    number of the line and the reason; the others are imported. Run it as often as you like: what is there stays as it
    is, so after an interruption the same command goes on. The exit code is 1 when anything was not imported.

    A mapping in short (all of it: the README of cli-proj):

    ```toml
    [file]
    date_formats = ["%d.%m.%Y"]
    [shipment]
    reference = "Note"
    origin.name = "Site"
    destination.name = "Town"
    destination.country = "Country"
    promised_at = "Promised"
    ```
    """
    from cli_proj.csv_import.mapping import read_mapping
    from cli_proj.csv_import.plan import make_plan
    from cli_proj.csv_import.send import Problem, Tally

    bench = workbench(context, output)
    say = bench.output.say
    plan = make_plan(file, read_mapping(map_file))
    if report is not None:
        _write_report(report, [])  # so that a path that cannot be written is found before anything is sent
    if verbose:
        for note in plan.notes:
            say(f"note: line {note.line}, {printable(note.reference)}: {printable(note.text)}")
    tally = Tally(problems=[Problem(bad.number, bad.reference, "bad line", bad.reason) for bad in plan.bad])
    say(f"{plan.lines:,} lines, {plan.shipments:,} shipments, {plan.left_out:,} of them with a bad line.")
    try:
        run(_send(bench, plan, tally, dry_run=dry_run, patience=patience))
    except BaseException:
        if tally.sent and not dry_run:
            say(f"Stopped after {tally.sent:,} of {plan.shipments - plan.left_out:,} shipments.")
            say("Nothing is half-written: the same command goes on from here.")
        else:
            say("Nothing was imported.")
        if tally.problems:
            _tell_problems(bench.output, tally, report)
        raise
    finally:
        if report is not None:
            _write_report(report, tally.problems)
    _finish(bench, plan, tally, report, dry_run=dry_run)


async def _send(bench: Workbench, plan: "Plan", tally: "Tally", *, dry_run: bool, patience: float) -> None:
    from cli_proj.csv_import.send import send
    from cli_proj.patience import patiently

    total = plan.shipments - plan.left_out
    if not total:
        return
    async with bench.shipments() as shipments:
        with _progress(bench.output, total, "Asking" if dry_run else "Importing") as (advance, say):

            def waiting(failure: CliError, seconds: float) -> None:
                say(f"{printable(failure.message)} Trying again in {seconds:.1f} s …")

            async def send_batch(batch: "list[Entry]") -> "list[Result]":
                return await patiently(
                    lambda: shipments.batch(batch, dry_run=dry_run), seconds=patience, waiting=waiting
                )

            await send(
                plan.entries(),
                tally,
                send_batch=send_batch,
                line_of=lambda reference: plan.drafts[reference].first_line,
                progress=advance,
            )


@contextmanager
def _progress(output: Output, total: int, verb: str) -> "Iterator[tuple[Callable[[int], None], Callable[[str], None]]]":
    """A progress bar on stderr where somebody looks. Gives how to advance it, and how to speak above it."""
    if not output.stderr_is_terminal:
        yield (lambda _: None), output.say
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
    from rich.text import Text

    console = Console(file=output.stderr, no_color=output.no_color)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(verb, total=total)
        yield (lambda done: bar.advance(task, done)), (lambda text: console.print(Text(text)))


def _finish(bench: Workbench, plan: "Plan", tally: "Tally", report: Path | None, *, dry_run: bool) -> None:
    output = bench.output
    bad_lines = sum(problem.outcome == "bad line" for problem in tally.problems)
    summary: dict[str, object] = {
        "lines": plan.lines,
        "shipments": plan.shipments,
        "created": tally.created,
        "unchanged": tally.unchanged,
        "conflicts": tally.conflicts,
        "invalid": tally.invalid,
        "left out": plan.left_out,
        "bad lines": bad_lines,
    }
    if tally.problems:
        _tell_problems(output, tally, report)
    if output.format is Format.TABLE:
        output.record(
            {("would be created" if dry_run and name == "created" else name): value for name, value in summary.items()}
        )
    else:
        document = {name.replace(" ", "_"): value for name, value in summary.items()}
        output.document({**document, "dry_run": dry_run, "problems": [problem._asdict() for problem in tally.problems]})
    if dry_run:
        output.say("A dry run: nothing was changed.")
    if tally.problems:
        raise typer.Exit(ExitCode.FAILURE)


def _tell_problems(output: Output, tally: "Tally", report: Path | None) -> None:
    for problem in tally.problems[:SHOWN]:
        about = f", {printable(problem.reference)}" if problem.reference else ""
        output.say(f"line {problem.line}{about}: {problem.outcome}: {printable(problem.reason)}")
    more = len(tally.problems) - SHOWN
    if report is not None:
        output.say(f"All that was not imported is in {report}.")
    elif more > 0:
        output.say(f"… and {more:,} more: --report FILE writes all of them to a file.")


def _write_report(path: Path, problems: "list[Problem]") -> None:
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("line", "reference", "outcome", "reason"))
            writer.writerows(problems)
    except OSError as error:
        raise CliError(
            f"The report {path} cannot be written: {error.strerror}.", "Give another path with --report."
        ) from error
