"""The CLI_ variables."""

import re
from pathlib import Path

import pytest

from cli_proj.app import app
from cli_proj.settings import Settings, SettingsError, read_settings
from cli_proj.testing import Program


def test_defaults_are_the_system_on_this_machine() -> None:
    settings = read_settings({"PATH": "/bin", "CLI_ISSUER": ""})
    assert settings == Settings()
    assert (settings.issuer, settings.app_url) == ("http://127.0.0.1:8400", "http://127.0.0.1:8401")


def test_every_setting_can_be_given() -> None:
    settings = read_settings(
        {
            "CLI_ISSUER": "https://auth.example.com/tenant/",
            "CLI_APP_URL": "https://app.example.com/",
            "CLI_CLIENT_ID": "other",
            "CLI_CLIENT_SECRET": "s3cret",
            "CLI_STATE_DIR": "/var/lib/x",
            "CLI_KEYRING": "off",
        }
    )
    # The slash belongs to the name of an issuer; at the end of a base URL it means nothing.
    assert (settings.issuer, settings.app_url) == ("https://auth.example.com/tenant/", "https://app.example.com")
    assert (settings.state_dir, settings.keyring) == (Path("/var/lib/x"), False)
    assert "s3cret" not in repr(settings)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("CLI_ISSUER", "auth.example.com"),
        ("CLI_ISSUER", "http://auth.example.com"),
        ("CLI_ISSUER", "https://user@auth.example.com"),
        ("CLI_ISSUER", "https://auth.example.com?x=1"),
        ("CLI_APP_URL", "http://127.0.0.1.example.com"),
        ("CLI_APP_URL", "http://[::1"),
        ("CLI_APP_URL", "http://127.0.0.1:99999"),
        ("CLI_KEYRING", "perhaps"),
        ("CLI_ISSUERS", "https://auth.example.com"),
    ],
)
def test_value_or_variable_that_cannot_be_meant_is_refused_by_name(variable: str, value: str) -> None:
    with pytest.raises(SettingsError, match=variable):
        read_settings({variable: value})


def test_unknown_variable_stops_every_command_but_help(program: Program) -> None:
    for command in (["token"], ["status"], ["shipments", "list"]):
        done = program.run(*command, CLI_APPURL="x")
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("error: CLI_APPURL: no such setting.")
        assert len(done.stderr.splitlines()) == 2
    assert program.run("--help", CLI_APPURL="x").returncode == 0


def test_help_names_every_setting() -> None:
    epilog = app.info.epilog or ""
    assert isinstance(epilog, str)
    assert {f"CLI_{name.upper()}" for name in Settings.__slots__} == set(re.findall(r"CLI_\w+", epilog))
