"""Settings and the command line: what is wrong is refused by name, in one line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from gui_proj.settings import Settings, unknown_variables


def run(*arguments: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GUI_")}
    return subprocess.run(
        [sys.executable, "-m", "gui_proj", *arguments], env=clean | environ, capture_output=True, text=True, timeout=30
    )


def test_defaults_are_the_loopback_services(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("GUI_"):
            monkeypatch.delenv(name)
    settings = Settings()
    assert (settings.issuer, settings.app_url) == ("http://127.0.0.1:8400", "http://127.0.0.1:8401")
    assert settings.client_id == "gui-proj"


def test_a_slash_at_the_end_of_a_url_is_no_difference() -> None:
    assert Settings(issuer="https://login.example.com/").issuer == "https://login.example.com"


@pytest.mark.parametrize(
    "url",
    ["http://example.com", "ftp://127.0.0.1", "https://", "127.0.0.1:8400", "https://a:b@example.com", "https://a/?b"],
)
def test_addresses_that_are_unsafe_or_none_are_refused(url: str) -> None:
    """OAuth 2.1 section 1.5: no token in the clear, except on the loopback interface."""
    with pytest.raises(ValidationError):
        Settings(issuer=url)


def test_unknown_variables_are_named() -> None:
    assert unknown_variables({"GUI_ISUER": "x", "GUI_ISSUER": "y", "gui_odd": "z", "HOME": "/"}) == [
        "GUI_ISUER",
        "gui_odd",
    ]


@pytest.mark.parametrize(
    ("arguments", "environ", "words"),
    [
        ([], {"GUI_ISUER": "x"}, "unknown setting GUI_ISUER"),
        (["--issuer", "http://example.com"], {}, "--issuer (GUI_ISSUER): use https://"),
        ([], {"GUI_APP_URL": "nonsense"}, "--app-url (GUI_APP_URL)"),
        ([], {"GUI_KEYRING": "perhaps"}, "GUI_KEYRING"),
        ([], {}, "this is a screen for a terminal"),
    ],
)
def test_what_is_wrong_is_one_line_and_code_2(arguments: list[str], environ: dict[str, str], words: str) -> None:
    ended = run(*arguments, **environ)
    assert ended.returncode == 2
    assert words in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_help_and_version_answer() -> None:
    assert "--issuer URL" in run("--help").stdout
    assert run("--version").stdout.startswith("gui-proj ")


def test_the_backend_knows_nothing_of_screens() -> None:
    """The network side can be used, tested and replaced without a terminal."""
    code = "import sys, gui_proj.backend; print([name for name in sys.modules if name.split('.')[0] == 'textual'])"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert ended.stdout.strip() == "[]"


def test_modules_stay_small() -> None:
    source = Path(sys.modules["gui_proj.settings"].__file__ or "").parent
    sizes = {path.name: len(path.read_text().splitlines()) for path in source.rglob("*.py")}
    assert {name: size for name, size in sizes.items() if size > 400} == {}
    assert sizes["app.py"] <= 250
