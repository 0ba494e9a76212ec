"""Three real nats-servers that are one cluster, with TLS everywhere, as `deploy/` ships them."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from lib_one.nats.configuration import Node, Tls, configuration
from lib_one.nats.embedded import answers, find_binary
from lib_one.nats.keys import KeyFolder
from lib_one.testing.certificates import Authority
from lib_one.testing.server import free_port

NAMES = ("nats-1", "nats-2", "nats-3")


class NatsCluster:
    """Three nodes on this machine. Each can be killed and started again; ports, keys and data stay the same."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._keys = KeyFolder(folder / "keys")
        authority = Authority(folder)
        certificate, key = authority.issue("127.0.0.1", "localhost")
        self.ca_file = authority.file
        """The authority behind the nodes' certificates."""
        self._tls = Tls(str(certificate), str(key), str(authority.file))
        self._ports = {name: (free_port(), free_port(), free_port()) for name in NAMES}
        self._processes: dict[str, asyncio.subprocess.Process] = {}

    @property
    def url(self) -> str:
        """The addresses of all nodes, as a service gets them."""
        return ",".join(self.node_url(name) for name in NAMES)

    def node_url(self, name: str) -> str:
        """The address of one node."""
        return f"tls://127.0.0.1:{self._ports[name][0]}"

    def websocket_url(self, name: str) -> str:
        """The address of one node for clients behind firewalls."""
        return f"wss://127.0.0.1:{self._ports[name][2]}"

    def seed(self, user: str) -> str:
        """The nkey seed of a user: `auth-svc`, `app-svc`, `operator`, `system`."""
        return self._keys.seed(user)

    async def start(self, name: str) -> None:
        """Start a node, and wait until it takes connections."""
        port, inside, websocket = self._ports[name]
        node = Node(
            name,
            listen=f"127.0.0.1:{port}",
            store=str(self._folder / name),
            keys=self._keys.public(),
            tls=self._tls,
            cluster_listen=f"127.0.0.1:{inside}",
            routes=tuple(f"127.0.0.1:{inside}" for _, inside, _ in self._ports.values()),
            websocket_listen=f"127.0.0.1:{websocket}",
        )
        file = self._folder / f"{name}.conf"
        file.write_text(configuration(node, made_by="for a test"))
        with (self._folder / f"{name}.log").open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                find_binary(), "--config", str(file), stdout=output, stderr=output
            )
        self._processes[name] = process
        while not await answers("127.0.0.1", port):
            assert process.returncode is None, "nats-server ended at once"  # noqa: S101 - this is for tests
            await asyncio.sleep(0.05)

    async def start_all(self) -> None:
        """Start every node that does not run."""
        await asyncio.gather(*(self.start(name) for name in NAMES if name not in self._processes))

    async def kill(self, name: str) -> None:
        """Kill a node, as a crash would."""
        process = self._processes.pop(name)
        process.kill()
        await process.wait()

    async def kill_all(self) -> None:
        """Kill every node that runs."""
        for name in list(self._processes):
            await self.kill(name)


@asynccontextmanager
async def nats_cluster() -> AsyncIterator[NatsCluster]:
    """Run three nats-servers for the length of the block. They need some seconds to agree on who leads."""
    with tempfile.TemporaryDirectory(prefix="nats-") as folder:
        cluster = NatsCluster(Path(folder))
        try:
            await cluster.start_all()
            yield cluster
        finally:
            await cluster.kill_all()
