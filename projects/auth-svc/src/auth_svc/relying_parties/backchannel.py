"""OpenID Connect Back-Channel Logout 1.0: the logout token, made afresh for each attempt to deliver it."""

from typing import Final
from urllib.parse import urlencode

import msgspec

from auth_svc.clients import Clients
from auth_svc.deliveries import Message
from auth_svc.keys import KeyRing
from auth_svc.relying_parties.store import Party
from lib_one.event import Now, new_id

BACKCHANNEL_LOGOUT: Final = "backchannel_logout"
_EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"
_LIFE: Final = 120
"""Seconds; two minutes at most (section 4)."""


class LogoutClaims(msgspec.Struct, frozen=True, kw_only=True):
    """The claims of a logout token (section 2.4). There is never a nonce: it must not pass for an ID token."""

    iss: str
    aud: str
    iat: int
    exp: int
    jti: str
    sub: str
    sid: str
    events: dict[str, dict[str, str]]


class BackChannelLogout:
    """Composes the messages of kind `backchannel_logout`."""

    def __init__(self, clients: Clients, keys: KeyRing, *, issuer: str, now: Now) -> None:
        self._clients = clients
        self._keys = keys
        self._issuer = issuer
        self._now = now
        self._encode = msgspec.json.Encoder().encode
        self._decode = msgspec.json.Decoder(Party).decode

    def __call__(self, payload: bytes) -> Message | None:
        """The request of section 2.5 to where the client wants it now, signed as its ID tokens are."""
        party = self._decode(payload)
        client = self._clients.find(party.client_id)
        if client is None or client.backchannel_logout_uri is None:
            return None
        issued_at = int(self._now().timestamp())
        claims = LogoutClaims(
            iss=self._issuer,
            aud=party.client_id,
            iat=issued_at,
            exp=issued_at + _LIFE,
            jti=new_id(),
            sub=party.subject,
            sid=party.session_id,
            events={_EVENT: {}},
        )
        token = self._keys.sign(client.id_token_signed_response_alg, "logout+jwt", self._encode(claims))
        return Message(
            url=client.backchannel_logout_uri,
            headers={"content-type": "application/x-www-form-urlencoded"},
            body=urlencode({"logout_token": token}).encode(),
        )
