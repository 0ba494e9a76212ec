"""`admin dead`: what the workers of app-svc have given up."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from cli_proj.commands.options import OutputOption
from cli_proj.errors import CliError, ExitCode
from cli_proj.output import Format, Output, printable
from cli_proj.workbench import Workbench, run, workbench

if TYPE_CHECKING:
    from cli_proj.api import DeadLetter

app = typer.Typer(
    name="dead", help="Dead letters, which a worker has given up: list, show, replay, drop.", no_args_is_help=True
)

Number = Annotated[int, typer.Argument(metavar="NUMBER", min=1, help="As `admin dead list` shows it.")]


@app.command("list")
def list_(
    context: typer.Context,
    consumer: Annotated[str | None, typer.Option(help="Only those that this consumer gave up.")] = None,
    before: Annotated[
        int | None, typer.Option(min=1, help="Go on where a list stopped, at the number it named.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=100, help="At most so many.")] = 50,
    output: OutputOption = None,
) -> None:
    """List dead letters, the newest first."""
    run(_list(workbench(context, output), consumer, before, limit))


async def _list(bench: Workbench, consumer: str | None, before: int | None, limit: int) -> None:
    async with bench.dead_letters() as letters:
        answer = await letters.page(consumer=consumer, before=before, limit=limit)
    if bench.output.format is Format.JSON:
        bench.output.document(answer.raw)
    elif bench.output.format is Format.JSONL:
        bench.output.lines(answer.raw["letters"])
    else:
        _table(bench.output, answer.value.letters, answer.value.before)


def _table(output: Output, letters: "list[DeadLetter]", before: int | None) -> None:
    if not letters:
        output.say("There are no dead letters.")
        return
    rows = [
        (
            str(letter.id),
            letter.given_up_at,
            letter.consumer,
            letter.message and letter.message.type and ".".join(letter.message.type.split(".")[-3:]),
            letter.message.aggregate if letter.message else "(its message is gone)",
            letter.reason,
        )
        for letter in letters
    ]
    columns = ("number", "when (UTC)", "consumer", "what", "about", "reason")
    output.table(columns, rows, optional=("consumer", "what"))
    if before is not None:
        output.say(f"More with --before {before}.")


@app.command()
def show(context: typer.Context, number: Number, output: OutputOption = None) -> None:
    """Show one dead letter with its message, as JSON."""
    run(_show(workbench(context, output), number))


async def _show(bench: Workbench, number: int) -> None:
    async with bench.dead_letters() as letters:
        with _hints():
            answer = await letters.find(number)
    bench.output.document(answer.raw)


@app.command()
def replay(context: typer.Context, number: Number, output: OutputOption = None) -> None:
    """Deliver the message once more, to the consumer that gave it up alone. The letter is gone then."""
    run(_replay(workbench(context, output), number))


async def _replay(bench: Workbench, number: int) -> None:
    async with bench.dead_letters() as letters:
        with _hints():
            answer = await letters.replay(number)
    if bench.output.format is Format.TABLE:
        bench.output.write(f"Dead letter {number} is on its way to {printable(answer.value.consumer)}.")
    else:
        bench.output.document(answer.raw)


@app.command()
def drop(
    context: typer.Context,
    number: Number,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Forget a dead letter. Its message is not delivered again."""
    bench = workbench(context)
    if not yes:
        typer.confirm(f"Drop dead letter {number} for good?", abort=True, err=True)
    run(_drop(bench, number))


async def _drop(bench: Workbench, number: int) -> None:
    async with bench.dead_letters() as letters:
        with _hints():
            await letters.drop(number)
    bench.output.say(f"Dead letter {number} is dropped.")


@contextmanager
def _hints() -> Iterator[None]:
    """What to do next where the API says that there is no such letter, or that it cannot be replayed."""
    from lib_two.errors import ApiError

    try:
        yield
    except ApiError as error:
        hints = {
            404: ("`cli-proj admin dead list` shows those that there are.", ExitCode.NOT_FOUND),
            409: ("`cli-proj admin dead drop NUMBER` takes it from the list.", ExitCode.CONFLICT),
        }
        if error.status not in hints:
            raise
        hint, code = hints[error.status]
        raise CliError(error.detail or error.title, hint, code=code) from error
