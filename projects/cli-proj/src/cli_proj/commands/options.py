"""Options that several commands have, said once."""

from typing import Annotated

import typer

from cli_proj.output import Format

OutputOption = Annotated[
    Format | None,
    typer.Option(
        "--output", "-o", help="How to print: table for people, json or jsonl for programs.", show_default=False
    ),
]
