"""An application that hears of a sign-out over the back channel: `uv run docs/examples/hear_logout.py`."""

import argparse
import json
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs
from urllib.request import urlopen

from joserfc import jwt
from joserfc.jwk import KeySet

EVENT = "http://schemas.openid.net/event/backchannel-logout"


def read(token: str, issuer: str, client_id: str) -> dict[str, object]:
    """Check a logout token (Back-Channel Logout 1.0, section 2.6), and give its claims.

    Raises:
        ValueError: it is not to be believed.
    """
    with urlopen(f"{issuer}/jwks") as answer:
        keys = KeySet.import_key_set(json.load(answer))
    found = jwt.decode(token, keys, algorithms=["ES256"])
    claims = found.claims
    if found.header.get("typ") != "logout+jwt" or EVENT not in claims["events"] or "nonce" in claims:
        raise ValueError("no logout token")
    if claims["iss"] != issuer or claims["aud"] != client_id or claims["exp"] < time.time():
        raise ValueError("for somebody else, or too old")
    return claims


class Listener(BaseHTTPRequestHandler):
    """Takes one logout token."""

    issuer = ""

    def do_POST(self) -> None:
        """Where auth-svc posts it."""
        form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
        claims = read(form["logout_token"][0], self.issuer, "shop")
        print(f"over: session {claims['sid']} of {claims['sub']}", flush=True)
        self.send_response(204)
        self.send_header("cache-control", "no-store")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing about requests."""


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--issuer", default="http://127.0.0.1:8400")
    parser.add_argument("--port", type=int, default=5001)
    options = parser.parse_args()
    Listener.issuer = options.issuer
    HTTPServer(("127.0.0.1", options.port), Listener).handle_request()
