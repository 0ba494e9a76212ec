"""`auth-svc resources …`, on a database of its own."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner, Result

from auth_svc.__main__ import application

from .conftest import LEDGER


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("AUTH_SVC_DATABASE_URL", f"sqlite:///{folder / 'auth.db'}")
    monkeypatch.setenv("AUTH_SVC_SECRET_KEY_FILE", str(folder / "secret.key"))

    def run(*arguments: str, stdin: str = "") -> Result:
        return CliRunner().invoke(application, ["resources", *arguments], input=stdin)

    return run


def test_operator_puts_lists_and_removes_a_resource(run: Any, tmp_path: Path) -> None:
    file = tmp_path / "ledger.json"
    file.write_bytes(msgspec.json.encode(LEDGER))
    assert run("put", str(file)).output == "https://ledger.example is registered.\n"
    changed = msgspec.json.encode(msgspec.structs.replace(LEDGER, access_token_format="opaque")).decode()
    assert run("put", "-", stdin=changed).exit_code == 0
    assert run("list").stdout.splitlines() == [
        "http://127.0.0.1:8401  jwt  shipments:read shipments:write shipments:scan shipments:admin",
        "https://ledger.example  opaque  ledger:read ledger:book",
    ]
    assert run("remove", LEDGER.identifier).exit_code == 0
    assert len(run("list").stdout.splitlines()) == 1
    gone = run("remove", LEDGER.identifier)
    assert (gone.exit_code, gone.stderr.count("\n")) == (1, 1)


def test_resource_of_the_house_can_be_changed_and_changed_back(run: Any) -> None:
    from auth_svc.resources import shipments

    changed = msgspec.structs.replace(shipments("http://127.0.0.1:8401"), access_token_signing_alg="RS256", name="App")
    assert run("put", "-", stdin=msgspec.json.encode(changed).decode()).exit_code == 0
    assert run("remove", "http://127.0.0.1:8401").exit_code == 0
    assert "shipments:read" in run("list").stdout


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"identifier": "https://a.example"}', json.dumps({"identifier": "x", "name": "X", "scopes": []})],
)
def test_what_is_wrong_is_one_line_and_exit_code_1(run: Any, text: str) -> None:
    refused = run("put", "-", stdin=text)
    assert refused.exit_code == 1
    assert refused.stderr.startswith("auth-svc: ")
    assert refused.stderr.count("\n") == 1


def test_missing_file_is_one_line_and_exit_code_1(run: Any, tmp_path: Path) -> None:
    refused = run("put", str(tmp_path / "none.json"))
    assert (refused.exit_code, refused.stderr.count("\n")) == (1, 1)
