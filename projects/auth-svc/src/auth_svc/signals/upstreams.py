"""Who may tell us what happened to people: a JSON file that an operator writes, read at start.

[{"issuer": "https://login.example", "jwks_uri": "https://login.example/jwks", "audience": "our-client-id-there",
  "subjects": {"their-id-of-clara": "clara"}}]
"""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from auth_svc.clients import redirect_uri_problem
from auth_svc.keys import FOREIGN_ALGORITHMS, NamedIssuer, read_issuers
from auth_svc.protocol import SSF_READ
from auth_svc.signals.events import ALGORITHM


class Polled(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where signals are polled (RFC 8936), and as which client: for a house that nobody outside can push to."""

    endpoint_url: str
    token_endpoint: str
    client_id: str
    client_secret: str
    scope: str = SSF_READ


class Upstream(NamedIssuer, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A transmitter that is listened to."""

    jwks_uri: str
    """Where its public keys are (RFC 7517); they change now and then."""
    audience: str
    """What its tokens say that they are for: us, as it knows us."""
    algorithms: tuple[str, ...] = (ALGORITHM, *FOREIGN_ALGORITHMS)
    """What it may sign with."""
    subjects: dict[str, str] | None = None
    """Its name of a person → ours; None: they are the same."""
    poll: Polled | None = None
    """None: it pushes to us."""

    @property
    def jwks(self) -> dict[str, Any] | None:
        """The keys are fetched."""
        return None

    def check(self) -> None:
        """The addresses must be some."""
        addresses = {"jwks_uri": self.jwks_uri}
        if self.poll is not None:
            addresses |= {"endpoint_url": self.poll.endpoint_url, "token_endpoint": self.poll.token_endpoint}
        for name, uri in addresses.items():
            problem = redirect_uri_problem(uri)
            if problem is not None or urlsplit(uri).scheme not in {"http", "https"}:
                raise ValueError(f"{name}: {problem or 'it is not https'}")


def read_upstreams(file: Path | None) -> dict[str, Upstream]:
    """Read the file: transmitters by their name; nobody is listened to without one.

    Raises:
        TrustedIssuersError: unreadable, another shape, one issuer twice, or an address that is none.
    """
    return read_issuers(file, Upstream)
