"""OpenID Connect Front-Channel Logout 1.0: what the page that says "you are signed out" loads in frames."""

from urllib.parse import urlencode

import msgspec

from auth_svc.clients import Client


class Frame(msgspec.Struct, frozen=True):
    """A page of a client that ends its session in this browser."""

    client_name: str
    url: str


def frame(client: Client, *, issuer: str, session_id: str) -> Frame | None:
    """The client's page, told which sign-in is over (section 3); None if it has none.

    `iss` and `sid` are always there: they say nothing that the client does not know.
    """
    uri = client.frontchannel_logout_uri
    if uri is None:
        return None
    query = urlencode({"iss": issuer, "sid": session_id})
    return Frame(client.client_name, f"{uri}{'&' if '?' in uri else '?'}{query}")
