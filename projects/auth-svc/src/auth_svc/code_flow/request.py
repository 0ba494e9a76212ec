"""An authorization request as it is once it passed every check, and the way back to who sent it. Pure."""

import re
from datetime import datetime
from typing import Any, Final

import msgspec

from auth_svc.clients import Client
from auth_svc.grants import ClaimsRequest
from auth_svc.protocol import RESPONSE_MODES, ResponseMode
from auth_svc.users import scopes_of_claims
from auth_svc.wire import Form

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


class WayBack(msgspec.Struct, frozen=True, kw_only=True):
    """Where the answer goes. Checked before all else, so that a refusal can go there too."""

    client_id: str
    redirect_uri: str
    state: str | None = None
    response_mode: ResponseMode = "query"
    signed_by: str | None = None
    """The algorithm that the answer is signed by; None: it is not."""


class AuthorizationRequest(WayBack, frozen=True, kw_only=True):
    """A request that passed every check."""

    id: str
    """Names this request, so that it is decided once."""
    asked_at: datetime
    """When its person came with it."""
    scope: tuple[str, ...]
    """What was asked for and the client may have; the person's roles may narrow it further."""
    code_challenge: str
    nonce: str | None = None
    prompt: tuple[str, ...] = ()
    max_age: int | None = None
    """Seconds, as asked for or as the client is registered (`default_max_age`)."""
    login_hint: str | None = None
    resource: tuple[str, ...] = ()
    dpop_jkt: str | None = None
    """Thumbprint of the key that the code is to be bound to (RFC 9449 section 10)."""
    subjects: tuple[str, ...] | None = None
    """The only people who may answer (`id_token_hint`, the claim `sub`), by user id; None: anybody."""
    claims: ClaimsRequest | None = None
    details: tuple[dict[str, Any], ...] = ()
    """What it wants, in detail (RFC 9396)."""

    @property
    def shown(self) -> tuple[str, ...]:
        """What the person is asked about: the scope, and those scopes that would tell what `claims` asks for."""
        asked = () if self.claims is None else scopes_of_claims((*self.claims.userinfo, *self.claims.id_token))
        return (*self.scope, *(scope for scope in asked if scope not in self.scope))


def way_back(fields: Form, client: Client) -> WayBack | None:
    """Where to answer, or None if the redirect URI may not be used (OAuth 2.1 sections 2.3.1 to 2.3.4)."""
    if "redirect_uri" in fields.repeated:
        return None
    redirect_uri = fields.get("redirect_uri")
    if redirect_uri is None and len(client.redirect_uris) == 1:
        redirect_uri = client.redirect_uris[0]
    elif redirect_uri is None or not client.accepts_redirect(redirect_uri):
        return None
    mode, signed = RESPONSE_MODES.get(fields.get("response_mode", "query"), ("query", False))
    if not redirect_uri.startswith(("https:", "http:")):
        mode = "query"
    return WayBack(
        client_id=client.client_id,
        redirect_uri=redirect_uri,
        state=echoed_state(fields),
        response_mode=mode,
        signed_by=client.authorization_signed_response_alg if signed else None,
    )


def echoed_state(fields: Form) -> str | None:
    """The `state` to send back: exactly what came, unless it came twice or holds what no address may hold."""
    state = fields.get("state")
    if state is None or "state" in fields.repeated or _CONTROL.search(state):
        return None
    return state
