"""Errors of the libraries, as sentences for people. The one place that knows them all."""

import errno
import sys

from cli_proj.errors import SIGN_IN_HINT, CliError, ExitCode, refused

_AWAY_HINT = "`cli-proj status` shows which part is away. On this machine, `uv run main.py` starts them all."

_OAUTH_CODES = {
    "invalid_grant": ExitCode.SIGN_IN_NEEDED,
    "login_required": ExitCode.SIGN_IN_NEEDED,
    "access_denied": ExitCode.NOT_ALLOWED,
    "invalid_client": ExitCode.NOT_ALLOWED,
    "unauthorized_client": ExitCode.NOT_ALLOWED,
    "invalid_scope": ExitCode.NOT_ALLOWED,
    "invalid_target": ExitCode.NOT_ALLOWED,
    "temporarily_unavailable": ExitCode.AWAY,
    "slow_down": ExitCode.AWAY,
}


def translate(error: BaseException) -> CliError:
    """What to tell somebody about an error: a sentence, the next step, an exit code.

    An error that nobody foresaw becomes a sentence as well; `--debug` then shows where it came from.
    """
    if isinstance(error, CliError):
        return error
    return _of_tokens(error) or _of_http(error) or _of_system(error) or _unforeseen(error)


def _of_tokens(error: BaseException) -> CliError | None:
    from lib_two import errors as tokens

    if isinstance(error, tokens.SignInNeeded):
        return CliError(error.hint, SIGN_IN_HINT, code=ExitCode.SIGN_IN_NEEDED)
    if isinstance(error, tokens.ApiError):
        return refused(error.status, error.detail or error.title)
    if isinstance(error, tokens.OAuthError):
        sentence = error.description or error.code
        return CliError(sentence, error.advice, code=_OAUTH_CODES.get(error.code, ExitCode.FAILURE))
    if isinstance(error, tokens.IssuerUnavailable):
        cause = error.__cause__ or error.__context__
        if cause is not None and (away := _of_http(cause)) is not None and away.code is ExitCode.AWAY:
            return away
        return CliError(str(error), _AWAY_HINT, code=ExitCode.AWAY)
    if isinstance(error, tokens.NoBrowser):
        return CliError(str(error), "Sign in with: cli-proj login --device")
    if isinstance(error, tokens.StoreError):
        return CliError(str(error), "CLI_STATE_DIR names another folder for the sign-in.")
    if isinstance(error, tokens.TokenError):
        return CliError(str(error))
    return None


def _of_http(error: BaseException) -> CliError | None:
    if "lib_one.http" not in sys.modules:
        return None
    from lib_one import http

    if isinstance(error, http.TimeoutException):
        return CliError(f"{_address(error)} did not answer in time.", _AWAY_HINT, code=ExitCode.AWAY)
    if isinstance(error, http.TransportError):
        return CliError(f"{_address(error)} does not answer.", _AWAY_HINT, code=ExitCode.AWAY)
    if isinstance(error, http.HTTPError | http.InvalidURL):
        return CliError(f"The request failed: {error}", _AWAY_HINT)
    return None


def _address(error: BaseException) -> str:
    try:
        url = error.request.url  # type: ignore[attr-defined]  # only errors of a request have one
        return f"{url.scheme}://{url.netloc.decode()}"
    except (AttributeError, RuntimeError):
        return "The service"


def _of_system(error: BaseException) -> CliError | None:
    if isinstance(error, OSError):
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return CliError(f"{error.strerror}.", "Make room, then run it again.")
        where = f"{error.filename}: " if error.filename else ""
        return CliError(f"{where}{error.strerror or error}.", "Check the path, its owner and its mode.")
    if isinstance(error, UnicodeEncodeError):
        return CliError(
            f"This terminal cannot show all characters ({error.encoding}).", "Set PYTHONUTF8=1, or use -o json."
        )
    return None


def _unforeseen(error: BaseException) -> CliError:
    return CliError(
        f"Something went wrong that should not have: {type(error).__name__}: {error}",
        "Run it again with `cli-proj --debug …` and report what that shows.",
    )
