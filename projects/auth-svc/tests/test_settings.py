"""Settings: what refuses to start, and by which name."""

import inspect
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from auth_svc.settings import Settings, UnknownSettingError, from_environment


def test_defaults_run_at_once_on_loopback() -> None:
    settings = from_environment({})
    assert settings.loopback
    assert settings.issuer == "http://127.0.0.1:8400"
    assert settings.access_token_life == timedelta(minutes=10)
    assert settings.code_life == timedelta(seconds=60)
    assert settings.refresh_token_life == timedelta(days=30)
    assert settings.grant_life == timedelta(days=90)


def test_variables_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTH_SVC_PORT", "9000")
    monkeypatch.setenv("AUTH_SVC_ACCESS_TOKEN_LIFE", "PT5M")
    settings = from_environment()
    assert settings.port == 9000
    assert settings.access_token_life == timedelta(minutes=5)


@pytest.mark.parametrize("life", ["PT11M", "PT0S", "-PT1M"])
def test_access_tokens_do_not_outlive_what_the_bus_keeps_of_revocations(
    monkeypatch: pytest.MonkeyPatch, life: str
) -> None:
    monkeypatch.setenv("AUTH_SVC_ACCESS_TOKEN_LIFE", life)
    with pytest.raises(ValidationError, match="access_token_life"):
        from_environment()


def test_clients_are_sent_to_no_bus_where_their_tokens_go_in_the_clear() -> None:
    good = "tls://bus.example:4222 wss://bus.example/nats nats://127.0.0.1:4222"
    assert Settings(nats_door_addresses=good).nats_door_addresses == good
    with pytest.raises(ValidationError, match="nats_door_addresses"):
        Settings(nats_door_addresses="nats://bus.example:4222")


def test_unknown_variable_refuses_to_start_by_name_and_without_its_value() -> None:
    with pytest.raises(UnknownSettingError, match="AUTH_SVC_ISUER") as caught:
        from_environment({"AUTH_SVC_ISUER": "a value", "OTHER": "x"})
    assert "a value" not in str(caught.value)


@pytest.mark.parametrize(
    "issuer",
    [
        "http://auth.example",
        "http://10.0.0.1",
        "https://auth.example/",
        "https://auth.example?x=1",
        "https://auth.example#x",
        "https://user@auth.example",
        "ftp://auth.example",
        "auth.example",
        "",
    ],
)
def test_unfit_issuer_refuses_to_start(issuer: str) -> None:
    with pytest.raises(ValidationError):
        Settings(issuer=issuer)


@pytest.mark.parametrize(
    ("issuer", "loopback"),
    [
        ("https://auth.example", False),
        ("https://auth.example:8443", False),
        ("http://127.0.0.1:8400", True),
        ("http://[::1]:8400", True),
        ("http://localhost:8400", True),
    ],
)
def test_fit_issuer_starts(issuer: str, loopback: bool) -> None:
    assert Settings(issuer=issuer).loopback is loopback


def test_public_issuer_does_not_make_its_own_secret(tmp_path: Path) -> None:
    from auth_svc.app import create_app
    from auth_svc.secret_key import SecretKeyError
    from auth_svc.testing import settings_in

    with pytest.raises(SecretKeyError, match="secret"):
        create_app(settings_in(tmp_path, issuer="https://auth.example"))
    assert not (tmp_path / "secret.key").exists()


def test_every_setting_says_what_it_is() -> None:
    source = inspect.getsource(Settings)
    for name in Settings.model_fields:
        after = source.split(f"    {name}: ", 1)[1].split("\n", 1)[1]
        assert after.lstrip().startswith('"""'), name
