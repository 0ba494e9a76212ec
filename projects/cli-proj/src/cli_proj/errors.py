"""What a command says when it cannot do its work: a sentence, the next step, and an exit code.

`translate` is the one place where errors of the libraries become such sentences.
"""

import enum
from collections.abc import Mapping


class ExitCode(enum.IntEnum):
    """What the shell sees. The table in the README is this one."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    SIGN_IN_NEEDED = 3
    NOT_ALLOWED = 4
    NOT_FOUND = 5
    CONFLICT = 6
    AWAY = 7
    INTERRUPTED = 130
    BROKEN_PIPE = 141


class CliError(Exception):
    """Printed on stderr as one or two lines: what is wrong, and what to do next."""

    def __init__(self, message: str, hint: str | None = None, *, code: ExitCode = ExitCode.FAILURE) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code


class ReaderGoneError(Exception):
    """Whoever read our output has gone. Not a BrokenPipeError: Typer would take that one for itself."""


SIGN_IN_HINT = "Sign in with: cli-proj login"

_BY_STATUS: Mapping[int, ExitCode] = {
    401: ExitCode.SIGN_IN_NEEDED,
    403: ExitCode.NOT_ALLOWED,
    404: ExitCode.NOT_FOUND,
    409: ExitCode.CONFLICT,
    429: ExitCode.AWAY,
    502: ExitCode.AWAY,
    503: ExitCode.AWAY,
    504: ExitCode.AWAY,
}

_HINT_BY_STATUS: Mapping[int, str] = {
    401: SIGN_IN_HINT,
    403: "`cli-proj whoami` shows your roles. An operator gives others; sign in again then.",
    404: "`cli-proj shipments list -q TEXT` searches for references.",
    409: "`cli-proj shipments show REFERENCE` shows what is recorded.",
    429: "Wait a little, then try again.",
    502: "`cli-proj status` shows which part is away. Try again when it is back.",
    503: "`cli-proj status` shows which part is away. Try again when it is back.",
    504: "`cli-proj status` shows which part is away. Try again when it is back.",
}


def refused(status: int, sentence: str) -> CliError:
    """The error for an HTTP answer that is not a success; `sentence` is what the service said."""
    code = _BY_STATUS.get(status, ExitCode.FAILURE)
    return CliError(sentence or f"The service answered {status}.", _HINT_BY_STATUS.get(status), code=code)


def malformed(address: str, reason: str) -> CliError:
    """The error for an answer that is not what the service promises."""
    return CliError(
        f"What {address} answered cannot be read: {reason}.",
        "Is that address the right service? See CLI_APP_URL and CLI_ISSUER in `cli-proj --help`.",
    )
