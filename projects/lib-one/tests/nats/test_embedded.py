"""The nats-server from the wheel, with our configuration."""

import asyncio
import os
import signal
import stat
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from lib_one.nats import EmbeddedServer, NatsConnection
from lib_one.nats.embedded import EmbeddedServerError, find_binary
from lib_one.testing import free_port

type Spawn = Callable[..., Awaitable[asyncio.subprocess.Process]]


@pytest.fixture
async def spawn() -> AsyncIterator[Spawn]:
    """Run `python -m lib_one.nats`."""
    started: list[asyncio.subprocess.Process] = []

    async def run(folder: Path, port: int) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "lib_one.nats", "--port", str(port), "--data-dir", str(folder)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def reachable(folder: Path, port: int) -> NatsConnection:
    server = EmbeddedServer(folder, port=port)
    connection = NatsConnection(server.url, name="operator", nkey_seed=server.seed("operator"))
    await connection.start()
    assert await connection.wait_connected(30)
    return connection


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_runs_in_the_foreground_and_ends_cleanly_on_a_signal(
    tmp_path: Path, spawn: Spawn, number: signal.Signals
) -> None:
    port = free_port()
    EmbeddedServer(tmp_path, port=port).prepare()
    process = await spawn(tmp_path, port)
    connection = await reachable(tmp_path, port)
    await connection.close()
    process.send_signal(number)
    assert await asyncio.wait_for(process.wait(), 30) == 0


async def test_keys_and_configuration_are_secret_and_the_keys_stay(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    server = EmbeddedServer(folder, port=free_port())
    configuration = server.prepare()
    seeds = {name: server.seed(name) for name in ("auth-svc", "app-svc", "operator", "system")}
    assert len(set(seeds.values())) == 4
    for path in (configuration, *(server.seed_file(name) for name in seeds)):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for directory in (folder, folder / "nats"):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    again = EmbeddedServer(folder, port=free_port())
    again.prepare()
    assert {name: again.seed(name) for name in seeds} == seeds
    assert not any(seed in configuration.read_text() for seed in seeds.values())


async def test_an_acknowledged_message_is_on_the_disk(tmp_path: Path) -> None:
    assert "sync_interval: always" in EmbeddedServer(tmp_path, port=1).prepare().read_text()


async def test_a_port_in_use_is_one_clear_line(tmp_path: Path, spawn: Spawn) -> None:
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    process = await spawn(tmp_path, port)
    _, error = await process.communicate()
    server.close()
    await server.wait_closed()
    assert process.returncode == 1
    assert error.decode().splitlines() == [
        f"nats-server: port {port} on 127.0.0.1 is in use: choose another one with --port"
    ]


async def test_a_second_instance_is_one_clear_line_and_does_no_harm(tmp_path: Path, spawn: Spawn) -> None:
    port = free_port()
    EmbeddedServer(tmp_path, port=port).prepare()
    await spawn(tmp_path, port)
    connection = await reachable(tmp_path, port)
    configuration = (tmp_path / "nats" / "nats.conf").read_text()
    second = await spawn(tmp_path, free_port())
    _, error = await second.communicate()
    assert second.returncode == 1
    assert error.decode().splitlines() == [f"nats-server: another nats-server has the data folder {tmp_path / 'nats'}"]
    assert (tmp_path / "nats" / "nats.conf").read_text() == configuration
    assert connection.connected
    await connection.close()


async def test_a_killed_server_leaves_no_lock_behind(tmp_path: Path, spawn: Spawn) -> None:
    port = free_port()
    EmbeddedServer(tmp_path, port=port).prepare()
    process = await spawn(tmp_path, port)
    await (await reachable(tmp_path, port)).close()
    process.kill()
    await process.wait()
    await spawn(tmp_path, port)
    await (await reachable(tmp_path, port)).close()


async def test_a_server_that_cannot_start_says_where_to_look(tmp_path: Path) -> None:
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(EmbeddedServerError, match=r"nats\.log"):
        await EmbeddedServer(tmp_path, port=port).start()
    server.close()
    await server.wait_closed()


def test_the_binary_of_the_wheel_is_found() -> None:
    assert os.access(find_binary(), os.X_OK)
