"""The program: `cli-proj …`. Whatever goes wrong, what is printed is a sentence and what to do next."""

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

from cli_proj.errors import CliError, ExitCode, ReaderGoneError
from cli_proj.kept import live_token, utc_now
from cli_proj.settings import read_settings

if TYPE_CHECKING:
    from typer.exceptions import TyperException


def main() -> None:
    """Run what the command line says, and end the process with the right exit code."""
    if sys.stdout is None or sys.stderr is None:  # started with a stream closed
        sys.stdout, sys.stderr = sys.stdout or _nowhere(), sys.stderr or _nowhere()
    try:
        # `$(cli-proj token)` stands in loops and prompts. With a kept token that lives it needs none of the command
        # line's machinery, whose loading alone takes longer than all the rest.
        code = _print_kept_token() if sys.argv[1:] == ["token"] else None
        if code is None:
            code = run(sys.argv[1:])
        sys.stdout.flush()
    except KeyboardInterrupt:
        code = ExitCode.INTERRUPTED
    except BrokenPipeError:
        code = _reader_gone()
    except OSError as error:
        code = _explain(error)
        _drop_output()
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run one command line. Returns its exit code; never raises."""
    from typer.exceptions import Abort, Exit, TyperException

    from cli_proj.app import app

    try:
        result = app(list(arguments), prog_name="cli-proj", standalone_mode=False)
        return result if isinstance(result, int) else ExitCode.OK
    except Exit as error:
        return error.exit_code
    except (KeyboardInterrupt, Abort):
        return ExitCode.INTERRUPTED
    except ReaderGoneError:
        return _reader_gone()
    except TyperException as error:
        return _wrong_usage(error)
    except Exception as error:
        if "--debug" in arguments:
            import traceback

            traceback.print_exc()
        return _explain(error)


def _print_kept_token() -> int | None:
    """Print the kept token. None where that is not enough, or goes wrong: the command then does it, or says why."""
    try:
        token = live_token(read_settings(os.environ), now=utc_now())
    except Exception:
        return None
    if token is None:
        return None
    sys.stdout.write(token + "\n")
    return ExitCode.OK


def _wrong_usage(error: "TyperException") -> int:
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "cli-proj"
    # What a converter of Typer's raised comes with the name of the exception's kind.
    sentence = error.format_message().replace(": Value error, ", ": ")
    # What other programs call --json is --output here, since there is jsonl as well.
    instead = "Write -o json. " if getattr(error, "option_name", "") == "--json" else ""
    return _fail(CliError(sentence, f"{instead}See: {command} --help", code=ExitCode.USAGE))


def _fail(error: CliError) -> int:
    from cli_proj.output import Output

    try:
        Output().error(error.message, error.hint)
    except ReaderGoneError:
        return _reader_gone()
    return error.code


def _explain(error: Exception) -> int:
    from cli_proj.translation import translate

    return _fail(translate(error))


def _reader_gone() -> int:
    _drop_output()
    return ExitCode.BROKEN_PIPE


def _drop_output() -> None:
    # Python flushes both streams once more at its end, and would complain then.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)


def _nowhere() -> TextIO:
    return os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8", closefd=False)


if __name__ == "__main__":
    main()
