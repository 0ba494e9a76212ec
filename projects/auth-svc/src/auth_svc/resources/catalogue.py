"""What a resource server is, and what follows from all of them together: rules without I/O."""

from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from typing import Final, Literal, NamedTuple

import msgspec

from auth_svc.errors import InvalidAuthorizationDetails, InvalidScope, InvalidTarget
from auth_svc.keys import DEFAULT_ALGORITHM
from auth_svc.protocol import ADMIN, GLOBAL_TOKEN_REVOCATION, IDENTITY_SCOPES, ISSUER_SCOPES, SSF_MANAGE, SSF_READ
from auth_svc.resources.details import Detail, DetailInWords, DetailType, check_detail, in_words

type TokenFormat = Literal["jwt", "opaque"]


class Scope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A scope, with what people read about it when they are asked for consent."""

    name: str
    title: str = ""
    text: str = ""


class Resource(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A resource server: what its tokens are issued for (RFC 8707)."""

    identifier: str
    """An absolute URI without a fragment: the parameter `resource`, and the audience of its tokens."""
    name: str
    """What people call it."""
    scopes: tuple[Scope, ...]
    """Its own: no other resource has a scope of the same name."""
    roles: dict[str, tuple[str, ...]] = {}
    """Which of the scopes a role lets a person grant."""
    access_token_format: TokenFormat = "jwt"
    """`opaque`: it gets random tokens, and asks /introspect what they mean."""
    access_token_signing_alg: str = DEFAULT_ALGORITHM
    authorization_details: tuple[DetailType, ...] = ()
    """The types of authorization details that it understands (RFC 9396): no other resource has one of the same name."""


class Target(NamedTuple):
    """What an access token is for."""

    scope: tuple[str, ...]
    audience: str | list[str]
    format: TokenFormat
    algorithm: str


_ABOUT_PEOPLE: Final = (
    Scope("openid", "Know who you are", "A fixed identifier of your account"),
    Scope("profile", "See your profile", "Your name and username"),
    Scope("email", "See your e-mail address", "To show it or to write to you"),
    Scope("offline_access", "Stay connected", "Keep this access without asking again, until you sign out"),
)
_OF_OPERATORS: Final = (
    Scope(GLOBAL_TOKEN_REVOCATION, "End people's access", "All of a person, in every application"),
    Scope(ADMIN, "Operate the sign-in service", "See how it runs, end anybody's access, mend what went wrong"),
    Scope(SSF_READ, "Learn of security events", "Ended sign-ins, changed passwords, closed accounts"),
    Scope(SSF_MANAGE, "Manage a stream of security events", "Which of them are told, and where to"),
)
_ROLES_OF_THE_ISSUER: Final = {"operator": {ADMIN}}


def shipments(identifier: str) -> Resource:
    """The resource server of the house, app-svc."""
    everything = ("shipments:read", "shipments:write", "shipments:scan")
    return Resource(
        identifier=identifier,
        name="Shipment tracking",
        scopes=(
            Scope("shipments:read", "Look at shipments", "Lists, details, timelines and the live feed"),
            Scope("shipments:write", "Register shipments", "Create new ones and import lists"),
            Scope("shipments:scan", "Record scans", "Say where a shipment is and when it arrives"),
            Scope("shipments:admin", "Operate shipment tracking", "See how it runs, mend what went wrong"),
        ),
        roles={
            "employee": ("shipments:read",),
            "clerk": everything,
            "driver": ("shipments:read", "shipments:scan"),
            "operator": (*everything, "shipments:admin"),
        },
    )


class Catalogue:
    """Every resource there is at one moment, with the issuer among them: its own resource is /userinfo. Immutable."""

    def __init__(self, issuer: str, default: Resource, others: Iterable[Resource]) -> None:
        """`default` is what a token is for whose scope names no resource; one of `others` may stand in its place."""
        found = {resource.identifier: resource for resource in others}
        default = found.pop(default.identifier, default)
        self.resources: Final = (default, *found.values())
        """The default first."""
        self.identifiers: Final = (*(resource.identifier for resource in self.resources), issuer)
        """What the parameter `resource` may be."""
        self._issuer = issuer
        self._default = default.identifier
        self._by_identifier = {resource.identifier: resource for resource in self.resources}
        self._words = {scope.name: scope for scope in (*_ABOUT_PEOPLE, *_OF_OPERATORS)}
        self._owners: dict[str, str | None] = dict.fromkeys(IDENTITY_SCOPES)
        self._owners.update(dict.fromkeys(ISSUER_SCOPES, issuer))
        # What an operator registered comes last and wins, if the house has changed its own scopes since.
        for resource in self.resources:
            for scope in resource.scopes:
                self._owners[scope.name] = resource.identifier
                self._words[scope.name] = Scope(
                    scope.name, scope.title or scope.name, scope.text or f"As {resource.name} describes it"
                )
        self.scopes: Final = tuple(self._owners)
        """Every scope there is, in the order in which metadata and pages list them."""
        self._details = {
            known.type: (known, resource.identifier)
            for resource in self.resources
            for known in resource.authorization_details
        }
        self._roles: dict[str, set[str]] = {role: set(scopes) for role, scopes in _ROLES_OF_THE_ISSUER.items()}
        for resource in self.resources:
            for role, scopes in resource.roles.items():
                self._roles.setdefault(role, set()).update(scopes)
        # A handful of clients ask for the same thing all day.
        self._target = lru_cache(maxsize=1024)(self._find_target)
        self._within = lru_cache(maxsize=1024)(self._find_within)

    @property
    def roles(self) -> Collection[str]:
        """Every role that gives something."""
        return self._roles.keys()

    def scopes_for(self, roles: Iterable[str]) -> frozenset[str]:
        """Return the scopes that a person with these roles may grant; a role that nobody knows adds nothing."""
        return frozenset(IDENTITY_SCOPES).union(*(self._roles.get(role, ()) for role in roles))

    def in_words(self, scopes: Collection[str]) -> list[Scope]:
        """What a person reads for each of these scopes."""
        return [self._words[name] for name in self.scopes if name in scopes]

    @property
    def detail_types(self) -> tuple[str, ...]:
        """Every type of authorization details (RFC 9396 section 10)."""
        return tuple(self._details)

    def check_details(self, details: Iterable[Detail], audience: Collection[str]) -> None:
        """Refuse authorization details that are not of their type, or not for the audience that the scope has.

        Raises:
            InvalidAuthorizationDetails: one of them is.
        """
        for detail in details:
            known, owner = self._details.get(detail["type"], (None, None))
            if known is None or owner not in audience:
                raise InvalidAuthorizationDetails("an unknown type, or one for another resource")
            check_detail(detail, known)

    def details_for(self, details: Iterable[Detail], audience: Collection[str]) -> tuple[Detail, ...]:
        """Those of the authorization details that these resources understand (RFC 9396 section 9)."""
        return tuple(detail for detail in details if self._details.get(detail["type"], (None, None))[1] in audience)

    def details_in_words(self, details: Iterable[Detail]) -> list[DetailInWords]:
        """What a person reads for each of these."""
        return [
            in_words(detail, self._details[detail["type"]][0]) for detail in details if detail["type"] in self._details
        ]

    def check(self, resources: Iterable[str]) -> None:
        """Refuse a resource that no tokens are issued for (RFC 8707 section 2).

        Raises:
            InvalidTarget: one of them is unknown.
        """
        for resource in resources:
            if resource not in self.identifiers:
                raise InvalidTarget

    def within(self, scope: tuple[str, ...], resources: Sequence[str]) -> tuple[str, ...]:
        """What of `scope` there is, and is for one of `resources` if any are named.

        What is about the person (`profile`, …) belongs to no resource and goes with each; so does `openid`, since the
        ID token is for the client.
        """
        return self._within(scope, tuple(resources))

    def _find_within(self, scope: tuple[str, ...], resources: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(
            name
            for name in scope
            if name in self._owners and (not resources or name in IDENTITY_SCOPES or self._owners[name] in resources)
        )

    def audience(self, scope: Iterable[str], resources: Collection[str]) -> list[str]:
        """The resources that the scope is for, those of `resources` only if any are named; the default if there are
        none (RFC 9068 section 3).

        Raises:
            InvalidTarget: nothing of the scope is for what was named.
        """
        meant = {self._owners.get(name) for name in scope}
        found = [
            identifier for identifier in self.identifiers if identifier in meant and identifier in (resources or meant)
        ]
        if not found and resources:
            raise InvalidTarget("no scope for the resource")
        return found or [self._default]

    def target(self, scope: tuple[str, ...], resources: Sequence[str]) -> Target:
        """What an access token with this scope is for, narrowed to `resources` if any are named.

        Raises:
            InvalidTarget: nothing of the scope is for them, or one token cannot be for all of them, since they want
                different ones. The client asks again for each (RFC 8707 section 2.2).
            InvalidScope: nothing is left of the scope.
        """
        return self._target(scope, tuple(resources))

    def _find_target(self, scope: tuple[str, ...], resources: tuple[str, ...]) -> Target:
        audience = self.audience(scope, resources)
        scope = self.within(scope, audience)
        if not scope:
            raise InvalidScope
        found = [self._by_identifier[identifier] for identifier in audience if identifier != self._issuer]
        kinds = {(resource.access_token_format, resource.access_token_signing_alg) for resource in found}
        if len(kinds) > 1:
            raise InvalidTarget("the resources want different tokens")
        kind = kinds.pop() if kinds else ("jwt", DEFAULT_ALGORITHM)
        return Target(scope, audience if len(audience) > 1 else audience[0], *kind)
