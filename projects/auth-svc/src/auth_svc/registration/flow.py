"""What a stranger may register, and what is said of a registered client: rules without I/O."""

import re
import secrets
from collections.abc import Collection, Iterable
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from auth_svc.clients import Client, ClientMetadata, NewClient, Problem, redirect_uri_problem
from auth_svc.errors import OAuthError
from auth_svc.protocol import AUTHORIZATION_CODE, DEVICE_CODE, REFRESH_TOKEN
from auth_svc.registration.statements import SoftwareStatement
from auth_svc.signin import Limit

GRANT_TYPES: Final = (AUTHORIZATION_CODE, REFRESH_TOKEN, DEVICE_CODE)
"""A person decides in each. What an application may do by itself is for an operator to say."""
OPERATORS_ONLY: Final = frozenset(
    {"resource", "profile", "may_act", "may_impersonate", "rotate_refresh_tokens", "refresh_grace"}
)
"""Members that are no metadata of RFC 7591, and give rights: from strangers they are ignored, as unknown ones are."""
READ_ONLY: Final = frozenset(
    {"registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at"}
)
"""What an update must not name (RFC 7592 section 2.2)."""
FROM_ONE_ADDRESS: Final = Limit(20, timedelta(minutes=1))
"""Registrations from one network: twenty at once, then one a minute."""
IN_ALL: Final = Limit(1000, timedelta(seconds=5))
"""Registrations of everybody together. Each is a row that stays: this bounds the table."""

_LONGEST = 2000
_MOST = 50
_WEB = ("client_uri", "logo_uri", "policy_uri", "tos_uri", "initiate_login_uri", "sector_identifier_uri")
_object = msgspec.json.Decoder(dict[str, Any]).decode


class InvalidClientMetadata(OAuthError):  # noqa: N818 - errors have the RFC's names
    """RFC 7591 section 3.2.2: metadata that are malformed, do not fit together or are not to be chosen."""

    code = "invalid_client_metadata"
    description = "The client metadata are malformed, do not fit together or ask for what is not given."

    def __init__(self, detail: str = "", *, member: str | None = None) -> None:
        """`member`: the one that is to be changed, by a name of ours."""
        super().__init__(detail)
        self._member = member

    @property
    def told(self) -> str:
        """Which member is at fault."""
        return self.description if self._member is None else f"{self.description} At fault: {self._member}."


class InvalidRedirectUri(OAuthError):  # noqa: N818 - errors have the RFC's names
    """RFC 7591 section 3.2.2: a redirect URI that cannot be registered."""

    code = "invalid_redirect_uri"
    description = "A redirect URI is not one that can be registered."


def read(body: bytes) -> dict[str, Any]:
    """Read a registration request.

    Raises:
        InvalidClientMetadata: it is no JSON object.
    """
    try:
        return _object(body)
    except (ValueError, RecursionError) as error:
        raise InvalidClientMetadata("no JSON object") from error


def wanted(
    said: dict[str, Any],
    *,
    client_id: str,
    secret: str | None,
    scopes: Collection[str],
    statement: SoftwareStatement | None = None,
) -> NewClient:
    """What the client will be, from what it says. Unknown members are ignored (RFC 7591 section 2), null is absent.

    `secret` is what it gets if its method wants one. A scope that there is not is left out; the answer tells. What the
    statement says wins (section 3.1.1).

    Raises:
        InvalidRedirectUri: a redirect URI that cannot be.
        InvalidClientMetadata: anything else that cannot be.
    """
    members = set(ClientMetadata.__struct_fields__) - OPERATORS_ONLY - {"software_statement"}
    vouched = {} if statement is None else statement.claims
    given = {
        name: value
        for source in (said, vouched)
        for name, value in source.items()
        if name in members and value is not None
    }
    try:
        metadata = msgspec.convert(given, ClientMetadata)
    except (msgspec.ValidationError, RecursionError) as error:
        raise InvalidClientMetadata(str(error), member=_member_in(str(error))) from error
    for problem in _problems(metadata):
        raise InvalidClientMetadata(problem.text, member=problem.member)
    native = bool(metadata.redirect_uris) and all(_is_native(uri) for uri in metadata.redirect_uris)
    if "application_type" in given:
        _check_kind(metadata)
    for uri in metadata.redirect_uris:
        unfit = redirect_uri_problem(uri)
        if unfit is not None:
            raise InvalidRedirectUri(f"{uri[:200]!r}: {unfit}")
    granted = tuple(name for name in scopes if name in metadata.scopes) if metadata.scope.strip() else tuple(scopes)
    if not granted:
        raise InvalidClientMetadata("no scope of this server", member="scope")
    described = msgspec.structs.asdict(metadata) | {
        "client_name": metadata.client_name.strip() or _host(metadata) or client_id,
        "application_type": given.get("application_type", "native" if native else "web"),
        "scope": " ".join(granted),
        "software_statement": None if statement is None else statement.token,
    }
    uses_secret = metadata.token_endpoint_auth_method.startswith("client_secret_")
    return NewClient(client_id=client_id, secret=secret if uses_secret else None, **described)


def information(client: Client) -> dict[str, Any]:
    """All that is registered of a client (RFC 7591 section 3.2.1)."""
    known = msgspec.structs.asdict(client)
    shown = set(ClientMetadata.__struct_fields__) - OPERATORS_ONLY
    return {"client_id": client.client_id} | {
        name: value for name, value in known.items() if name in shown and value is not None and value != ()
    }


def new_client_id() -> str:
    """An id that nobody chose: it fits into the subjects of events, and is nobody's `sub` (RFC 9700 section 4.15)."""
    return f"dyn-{secrets.token_urlsafe(16)}"


def _problems(metadata: ClientMetadata) -> Iterable[Problem]:
    for name, value in msgspec.structs.asdict(metadata).items():
        texts = value if isinstance(value, tuple) else (value,)
        if len(texts) > _MOST:
            yield Problem(name, f"{name} has too many values")
        for text in texts:
            if isinstance(text, str) and (len(text) > _LONGEST or not text.isprintable()):
                yield Problem(name, f"{name} is too long, or has control characters")
    for name in _WEB:
        address = getattr(metadata, name)
        if address is not None and not _is_web_address(address):
            yield Problem(name, f"{name} is no https address")
    for grant_type in set(metadata.grant_types) - set(GRANT_TYPES):
        yield Problem("grant_types", f"the grant type {grant_type!r} is for clients that an operator registers")
    code = AUTHORIZATION_CODE in metadata.grant_types
    if set(metadata.response_types) - {"code"} or (code and not metadata.response_types):
        yield Problem("response_types", "response_types do not fit grant_types")
    if not set(metadata.grant_types) - {REFRESH_TOKEN}:
        yield Problem("grant_types", "grant_types name none that begins anything")
    if metadata.subject_type == "pairwise" and DEVICE_CODE in metadata.grant_types:
        # A sector is proved by redirect URIs: who is answered elsewhere could say to be of anybody's.
        yield Problem("subject_type", "pairwise is for clients that are answered at their redirect URIs only")


def _member_in(complaint: str) -> str | None:
    """The member that msgspec complains about, such as `… - at `$.client_name``."""
    found = re.search(r"`\$\.([a-z_]+)", complaint)
    return found[1] if found is not None and found[1] in ClientMetadata.__struct_fields__ else None


def _check_kind(metadata: ClientMetadata) -> None:
    """OpenID Connect Registration section 2: web clients use https, native ones their own scheme or loopback."""
    for uri in metadata.redirect_uris:
        if metadata.application_type == "web" and _is_native(uri):
            raise InvalidRedirectUri(f"{uri[:200]!r} is not for a web client")


def _is_native(uri: str) -> bool:
    return not uri.startswith("https://")


def _is_web_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme == "https" and bool(parts.hostname) and parts.username is None and text.isascii()


def _host(metadata: ClientMetadata) -> str | None:
    for uri in metadata.redirect_uris:
        if uri.startswith("https://"):
            return urlsplit(uri).hostname
    return None
