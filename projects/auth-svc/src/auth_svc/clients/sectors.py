"""Sectors: which clients may know a person by the same `sub` (OIDC Core section 8.1)."""

from collections.abc import Iterable
from urllib.parse import urlsplit

import msgspec

from auth_svc.clients.metadata import ClientMetadata
from auth_svc.clients.problem import Problem
from lib_one.http import AsyncClient, HTTPError, InvalidURL


def sector_of(client: ClientMetadata) -> str | None:
    """The host that the client's pairwise subjects belong to; None if its metadata do not say which.

    Loopback addresses and private-use schemes are everybody's, so they name no sector.
    """
    if client.sector_identifier_uri is not None:
        return urlsplit(client.sector_identifier_uri).hostname
    parts = [urlsplit(uri) for uri in client.redirect_uris]
    hosts = {part.hostname for part in parts}
    return hosts.pop() if len(hosts) == 1 and all(part.scheme == "https" for part in parts) else None


def sector_problems(client: ClientMetadata) -> Iterable[Problem]:
    """Say what is wrong with the sector of a client that somebody wants to register."""
    uri = client.sector_identifier_uri
    if uri is not None and not _is_https(uri):
        yield Problem("sector_identifier_uri", "sector_identifier_uri is not https (OIDC Core section 8.1)")
    elif client.subject_type == "pairwise" and sector_of(client) is None:
        text = "pairwise needs a sector_identifier_uri, or redirect URIs of one https host (OIDC Core section 8.1)"
        yield Problem("sector_identifier_uri", text)


def _is_https(uri: str) -> bool:
    try:
        parts = urlsplit(uri)
    except ValueError:
        return False
    return parts.scheme == "https" and bool(parts.hostname) and parts.username is None and not parts.fragment


async def fetched_sector_problem(client: ClientMetadata, outside: AsyncClient) -> str | None:
    """Fetch the sector's list of redirect URIs, and say what is wrong with it, or None (OIDC Dyn. Reg. section 5).

    Without this anybody could say to be of a sector, and learn the subjects there.
    """
    uri = client.sector_identifier_uri
    if uri is None:
        return None
    try:
        answer = await outside.get(uri, headers={"accept": "application/json"})
        if answer.status_code != 200:
            return f"sector_identifier_uri answers {answer.status_code}"
        listed = msgspec.json.decode(answer.content, type=list[str])
    except (HTTPError, InvalidURL):
        return "sector_identifier_uri cannot be fetched"
    except (ValueError, RecursionError):
        return "sector_identifier_uri is not a JSON array of strings"
    missing = sorted(set(client.redirect_uris) - set(listed))
    return f"sector_identifier_uri does not list {missing[0][:200]!r}" if missing else None
