"""`python -m lib_one.nats`: run the embedded nats-server in the foreground."""

import argparse
import sys
from pathlib import Path

from lib_one.nats.embedded import EmbeddedServer, EmbeddedServerError


def main() -> None:
    """Parse the command line and become the nats-server."""
    parser = argparse.ArgumentParser(prog="python -m lib_one.nats", description="Run the embedded nats-server.")
    parser.add_argument("--port", type=int, default=8402, help="TCP port (default: 8402)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--data-dir", type=Path, default=Path(".data"), help="where its data lies (default: .data)")
    arguments = parser.parse_args()
    try:
        EmbeddedServer(arguments.data_dir, port=arguments.port, host=arguments.host).exec()
    except (EmbeddedServerError, OSError) as error:
        sys.exit(f"nats-server: {error}")


main()
