"""`python -m lib_one.nats`: run the embedded nats-server in the foreground, or write what one elsewhere needs."""

import argparse
import sys
from pathlib import Path

from lib_one.nats.configuration import shipped, variable
from lib_one.nats.embedded import EmbeddedServer, EmbeddedServerError
from lib_one.nats.keys import KeyFolder


def main() -> None:
    """Parse the command line and become the nats-server, or print."""
    parser = argparse.ArgumentParser(prog="python -m lib_one.nats", description="Run the embedded nats-server.")
    parser.add_argument("--port", type=int, default=8402, help="TCP port (default: 8402)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--data-dir", type=Path, default=Path(".data"), help="where its data lies (default: .data)")
    parser.add_argument(
        "--websocket-port", type=int, help="TCP port for clients that come over a WebSocket (default: none)"
    )
    commands = parser.add_subparsers(dest="command", title="instead of running it")
    config = commands.add_parser("config", help="print the configuration for production, with TLS")
    config.add_argument("node", nargs="+", help="the host name of each node: one, or all of a cluster")
    keys = commands.add_parser("keys", help="make the users' keys, and print the public ones as variables")
    keys.add_argument("folder", type=Path, help="where the secret keys lie")
    arguments = parser.parse_args()
    if arguments.command == "config":
        sys.stdout.write(shipped(arguments.node))
    elif arguments.command == "keys":
        for user, key in KeyFolder(arguments.folder).public().items():
            sys.stdout.write(f"{variable(user)}={key}\n")
    else:
        try:
            EmbeddedServer(
                arguments.data_dir,
                port=arguments.port,
                host=arguments.host,
                websocket_port=arguments.websocket_port,
            ).exec()
        except (EmbeddedServerError, OSError) as error:
            sys.exit(f"nats-server: {error}")


main()
