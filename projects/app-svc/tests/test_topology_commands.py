"""`app-svc topology show|apply`, with the rights of app-svc alone."""

import asyncio

import pytest
from typer.testing import CliRunner, Result

from app_svc.__main__ import cli
from lib_one.nats import NatsConnection
from lib_one.testing import free_port, nats_server


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """The log of this process stays as it is."""
    monkeypatch.setattr("lib_one.observe.configure_logging", lambda *_, **__: None)


async def run(*arguments: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, cli, ["topology", *arguments])


async def test_streams_are_shown_made_and_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    async with nats_server(open_door=False) as server:
        server.seed("app-svc")
        monkeypatch.setenv("APP_SVC_NATS_URL", server.url)
        monkeypatch.setenv("APP_SVC_NATS_NKEY_FILE", str(server.seed_file("app-svc")))
        missing = await run("show")
        assert missing.exit_code == 1
        assert "stream SHIPMENTS: it: not there → made" in missing.output
        assert (await run("apply")).exit_code == 0
        agrees = await run("show")
        assert agrees.exit_code == 0
        assert agrees.stdout.endswith("The streams and consumers are as they should be.\n")
        operator = NatsConnection(server.url, name="operator", nkey_seed=server.seed("operator"))
        await operator.start()
        session = await operator.session()
        config = (await session.api(dict, "STREAM.INFO.SHIPMENTS"))["config"]
        await session.api(dict, "STREAM.UPDATE.SHIPMENTS", config | {"max_age": 0})
        assert "stream SHIPMENTS: max_age: for ever → " in (await run("show")).output
        assert (await run("apply")).exit_code == 0
        # More nodes than there are: the server refuses, in one line.
        monkeypatch.setenv("APP_SVC_NATS_REPLICAS", "3")
        assert "num_replicas: 1 → 3" in (await run("show")).output
        refused = await run("apply")
        assert (refused.exit_code, type(refused.exception)) == (1, SystemExit)
        assert "replicas" in refused.stderr
        await operator.close()


async def test_a_bus_that_is_away_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lib_one.nats.topology.PATIENCE", 0.05)
    monkeypatch.setenv("APP_SVC_NATS_URL", f"nats://127.0.0.1:{free_port()}")
    away = await run("show")
    assert (away.exit_code, type(away.exception)) == (1, SystemExit)
    assert "does not answer" in away.stderr
