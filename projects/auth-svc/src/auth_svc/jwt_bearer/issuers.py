"""Who is trusted to vouch for people: a JSON file that an operator writes, read at start.

[{"issuer": "https://login.example", "jwks": {"keys": [{"kty": "EC", …}]}, "clients": ["intranet"],
  "scope": "shipments:read", "subjects": {"their-id-of-clara": "clara"}}]
"""

from pathlib import Path

from auth_svc.keys import SigningIssuer, read_issuers


class TrustedIssuer(SigningIssuer, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody who may say who a person is."""

    clients: tuple[str, ...]
    """Who may show what it signs."""
    scope: str
    """All that an assertion of it can give, separated by spaces."""
    subjects: dict[str, str] | None = None
    """Its name of a person → ours; None: they are the same."""


def read_trusted_issuers(file: Path | None) -> dict[str, TrustedIssuer]:
    """Read the file: issuers by their name; nobody is trusted without one.

    Raises:
        TrustedIssuersError: unreadable, another shape, one issuer twice, or a key that is none.
    """
    return read_issuers(file, TrustedIssuer)
