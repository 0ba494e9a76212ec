"""The log: structured, one place for all, and no secrets in it."""

import io
import json
import logging
import sys
from collections.abc import Iterator

import pytest
import structlog

from lib_one import trace
from lib_one.observe import HIDDEN, configure_logging, get_logger
from lib_one.testing import log_as_before


class Terminal(io.StringIO):
    """A stream that says that a person looks at it."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _log() -> Iterator[None]:
    with log_as_before():
        yield


class Stderr:
    """What was written to stderr."""

    def __init__(self, capture: pytest.CaptureFixture[str]) -> None:
        self._capture = capture
        self._text = ""

    def getvalue(self) -> str:
        self._text += self._capture.readouterr().err
        return self._text


@pytest.fixture
def stderr(capsys: pytest.CaptureFixture[str]) -> Stderr:
    return Stderr(capsys)


def lines(stream: Stderr) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_one_json_object_where_stderr_is_no_terminal(stderr: Stderr) -> None:
    configure_logging("auth-svc")
    get_logger("auth_svc.keys").info("signing key activated", key_id="k1", many=(1, 2), odd=object)
    (line,) = lines(stderr)
    assert line["event"] == "signing key activated"
    assert line["service"] == "auth-svc"
    assert line["logger"] == "auth_svc.keys"
    assert line["level"] == "info"
    assert line["key_id"] == "k1"
    assert str(line["timestamp"]).endswith("Z")


def test_a_terminal_gets_text(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    configure_logging("auth-svc")
    get_logger("x").info("hello", answer=42)
    assert "hello" in stream.getvalue()
    with pytest.raises(json.JSONDecodeError):
        json.loads(stream.getvalue())


def test_lines_of_libraries_come_the_same_way(stderr: Stderr) -> None:
    configure_logging("app-svc")
    logging.getLogger("alembic").warning("old %s", "thing")
    (line,) = lines(stderr)
    assert line["event"] == "old thing"
    assert line["service"] == "app-svc"
    assert line["level"] == "warning"


def test_chatter_is_off_by_default(stderr: Stderr) -> None:
    configure_logging("app-svc")
    logging.getLogger("uvicorn.access").info("GET /callback?code=secret")
    logging.getLogger("httpx").info("HTTP Request: GET http://x/?code=secret")
    get_logger("x").debug("detail")
    assert stderr.getvalue() == ""


@pytest.mark.parametrize(
    "name",
    [
        *("password", "client_secret", "access_token", "refresh_token", "token", "code", "user_code", "code_verifier"),
        *("Authorization", "Set-Cookie", "nkey_seed", "client_assertion", "private_key"),
    ],
)
def test_a_value_under_the_name_of_a_secret_is_hidden(stderr: Stderr, name: str) -> None:
    configure_logging("auth-svc")
    get_logger("x").warning("refused", **{name: "s3cr3t", "request": {name: "s3cr3t", "path": "/token"}})
    assert "s3cr3t" not in stderr.getvalue()
    (line,) = lines(stderr)
    assert line[name] == HIDDEN
    assert line["request"] == {name: HIDDEN, "path": "/token"}


@pytest.mark.parametrize("name", ["token_id", "status_code", "error_code", "client_id", "key_id", "grant_type"])
def test_what_only_sounds_like_a_secret_is_shown(stderr: Stderr, name: str) -> None:
    configure_logging("auth-svc")
    get_logger("x").info("shown", **{name: "value"})
    assert lines(stderr)[0][name] == "value"


@pytest.mark.parametrize("as_json", [True, False])
def test_a_traceback_shows_no_local_variables(stderr: Stderr, as_json: bool) -> None:
    configure_logging("auth-svc", json=as_json)

    def fail() -> None:
        password = "".join(["s3", "cr3t"])
        raise RuntimeError(f"{len(password)} characters")

    try:
        fail()
    except RuntimeError:
        get_logger("x").exception("it failed")
    assert "6 characters" in stderr.getvalue()
    assert "s3cr3t" not in stderr.getvalue()


def test_context_is_on_every_line(stderr: Stderr) -> None:
    configure_logging("auth-svc")
    with structlog.contextvars.bound_contextvars(request_id="r1"):
        get_logger("x").info("inside")
    get_logger("x").info("outside")
    assert [line.get("request_id") for line in lines(stderr)] == ["r1", None]


def test_a_line_of_the_work_at_hand_has_its_trace(stderr: Stderr) -> None:
    configure_logging("auth-svc")
    with trace.span("work", trace.CONSUMER, parent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"):
        get_logger("x").info("inside")
        logging.getLogger("alembic").warning("inside too")
    get_logger("x").info("outside")
    assert [line.get("trace_id") for line in lines(stderr)] == [*["4bf92f3577b34da6a3ce929d0e0e4736"] * 2, None]


def test_a_module_may_make_its_logger_before_the_log_is_set_up(stderr: Stderr) -> None:
    log = get_logger("early")
    configure_logging("auth-svc")
    log.info("late")
    assert lines(stderr)[0]["service"] == "auth-svc"
