"""The resource servers that are registered: the verbs to change them, and the catalogue of this moment."""

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from auth_svc.db import Connection, Ledger
from auth_svc.keys import ALGORITHMS
from auth_svc.protocol import IDENTITY_SCOPES, ISSUER_SCOPES, resource_identifier
from auth_svc.resources import store
from auth_svc.resources.catalogue import Catalogue, Resource
from auth_svc.resources.details import problems_of

LONGEST_SCOPE: Final = 128
_SCOPE: Final = re.compile(rf"[!#-\[\]-~]{{1,{LONGEST_SCOPE}}}")
_IDENTIFIER: Final = re.compile(rf"[!-~]{{1,{store.IDENTIFIER_LENGTH}}}")


class ResourceError(Exception):
    """This resource cannot be; the message says why."""


class Resources:
    """Puts and removes resource servers, and knows them all."""

    def __init__(self, ledger: Ledger, *, issuer: str, default: Resource) -> None:
        self._ledger = ledger
        self._issuer = issuer
        self._default = default
        self._stored: tuple[Resource, ...] = ()
        self.catalogue = Catalogue(issuer, default, ())
        """As it was at the last `reload`: what requests are answered by."""

    async def reload(self) -> bool:
        """Look what is registered now; True if that is something else than before."""
        stored = await self._ledger.database.read(store.everything)
        changed = stored != self._stored
        if changed:
            self.catalogue = Catalogue(self._issuer, self._default, stored)
            self._stored = stored
        return changed

    def read(self, connection: Connection) -> Catalogue:
        """The catalogue as this unit of work sees it."""
        return Catalogue(self._issuer, self._default, store.everything(connection))

    def put(self, connection: Connection, resource: Resource) -> None:
        """Register a resource, or change the one with this identifier. The one of the house can be changed too.

        Raises:
            ResourceError: it does not fit together, or a scope is another resource's.
        """
        others = [other for other in self.read(connection).resources if other.identifier != resource.identifier]
        problems = "; ".join(_problems(resource, others, issuer=self._issuer))
        if problems:
            raise ResourceError(f"resource {resource.identifier[:140]!r}: {problems}")
        store.put(connection, resource, now=self._ledger.now())

    def remove(self, connection: Connection, identifier: str) -> bool:
        """Forget a resource: no more tokens for it. False if it was not registered."""
        return store.remove(connection, identifier)


def _problems(resource: Resource, others: Iterable[Resource], *, issuer: str) -> Iterable[str]:
    if not _is_identifier(resource.identifier):
        yield "the identifier must be an absolute URI without a fragment (RFC 8707 section 2)"
    if resource.identifier != resource_identifier(resource.identifier):
        yield "the identifier ends in a slash that stands for no path"
    if resource.identifier == issuer:
        yield "the identifier is the issuer's"
    if not resource.name.strip() or not resource.name.isprintable():
        yield "the name is empty or has control characters"
    if not resource.scopes:
        yield "it has no scope"
    names = [scope.name for scope in resource.scopes]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"the scope {name!r} is there twice"
    for scope in resource.scopes:
        if not _SCOPE.fullmatch(scope.name):
            yield f"{scope.name[:140]!r} is no scope (RFC 6749 section 3.3)"
        if not (scope.title + scope.text).isprintable():
            yield f"the words for {scope.name[:140]!r} have control characters"
    for name in sorted(set(names) & {*IDENTITY_SCOPES, *ISSUER_SCOPES}):
        yield f"the scope {name!r} is the issuer's own"
    for other in others:
        for name in sorted(set(names) & {scope.name for scope in other.scopes}):
            yield f"the scope {name!r} is of {other.identifier}"
    types = [known.type for known in resource.authorization_details]
    for name in sorted({name for name in types if types.count(name) > 1}):
        yield f"the type {name!r} is there twice"
    for known in resource.authorization_details:
        yield from problems_of(known)
    for other in others:
        for name in sorted(set(types) & {known.type for known in other.authorization_details}):
            yield f"the type {name!r} is of {other.identifier}"
    for role, scopes in resource.roles.items():
        if not role or not role.isprintable() or " " in role:
            yield f"{role[:140]!r} is no name for a role"
        for name in sorted(set(scopes) - set(names)):
            yield f"the role {role!r} gives {name!r}, which is none of its scopes"
    if resource.access_token_signing_alg not in ALGORITHMS:
        yield f"unknown algorithm {resource.access_token_signing_alg!r}"


def _is_identifier(text: str) -> bool:
    if not _IDENTIFIER.fullmatch(text) or "#" in text:
        return False
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return False
    if parts.scheme in {"http", "https"}:
        return bool(parts.hostname) and parts.username is None
    return bool(parts.scheme) and bool(parts.netloc or parts.path)
