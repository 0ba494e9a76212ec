"""Ping and push: what a client is told that does not just poll (CIBA Core sections 10.2, 10.3 and 12).

It is posted with the decision and sent afterwards. Ping says that there is a decision, push brings the tokens or the
refusal. The client's own token, which proves to it that we are who tells, and the body are sealed until they are sent.
"""

from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from auth_svc.approvals import Approval
from auth_svc.backchannel_flow import store
from auth_svc.backchannel_flow.flow import BackchannelRequest
from auth_svc.backchannel_flow.grant import Backchannel
from auth_svc.clients import Client, Clients
from auth_svc.db import Connection
from auth_svc.deliveries import Deliveries, Message
from auth_svc.errors import AccessDenied, token_body
from auth_svc.protocol import CIBA
from auth_svc.secret_key import SecretKey
from auth_svc.token import TokenIssuer

BACKCHANNEL_NOTIFICATION: Final = "backchannel_notification"
_PURPOSE: Final = "backchannel notification"


class ToNotify(msgspec.Struct, frozen=True, array_like=True):
    """What is kept of a request whose client wants to be told."""

    auth_req_id: str
    notification_token: str


class _Notification(msgspec.Struct, frozen=True, array_like=True):
    client_id: str
    notification_token: str
    body: bytes


class Notifications:
    """Tells clients what people decided."""

    def __init__(
        self,
        deliveries: Deliveries,
        secret_key: SecretKey,
        issuer: TokenIssuer,
        grant: Backchannel,
        *,
        ping_life: timedelta,
        push_life: timedelta,
    ) -> None:
        """`ping_life`: how long an approval can be fetched; `push_life`: how long a pushed token is good."""
        self._deliveries = deliveries
        self._secret_key = secret_key
        self._issuer = issuer
        self._grant = grant
        self._ping_life = ping_life
        self._push_life = push_life

    def seal(self, to_notify: ToNotify) -> bytes:
        """For the table of requests."""
        return self._secret_key.seal(msgspec.json.encode(to_notify), purpose=_PURPOSE)

    def decided(
        self,
        connection: Connection,
        client: Client,
        request: BackchannelRequest,
        approval: Approval | None,
        *,
        now: datetime,
    ) -> None:
        """Tell the client in its way, if it wants to be told; `approval` is None for a no.

        Raises:
            OAuthError: tokens are to be pushed, and nothing may be issued.
        """
        if request.notify_sealed is None:
            return
        opened = self._secret_key.unseal(request.notify_sealed, purpose=_PURPOSE)
        to_notify = msgspec.json.decode(opened, type=ToNotify)
        body: dict[str, Any] = {"auth_req_id": to_notify.auth_req_id}
        life = self._ping_life
        if client.backchannel_token_delivery_mode == "push":
            life = self._push_life
            if approval is None:
                body |= msgspec.json.decode(token_body(AccessDenied()))
            else:
                body |= self._tokens(connection, client, request, approval, to_notify.auth_req_id, now)
        notification = _Notification(client.client_id, to_notify.notification_token, msgspec.json.encode(body))
        self._deliveries.post(
            connection,
            kind=BACKCHANNEL_NOTIFICATION,
            client_id=client.client_id,
            payload=self._secret_key.seal(msgspec.json.encode(notification), purpose=_PURPOSE),
            life=life,
        )

    def _tokens(
        self,
        connection: Connection,
        client: Client,
        request: BackchannelRequest,
        approval: Approval,
        auth_req_id: str,
        now: datetime,
    ) -> dict[str, Any]:
        """Use the request up: its tokens are made once, with the decision, and each attempt sends the same."""
        authorized = self._grant.authorized(connection, client, request, approval, now)
        authorized = msgspec.structs.replace(authorized, auth_req_id=auth_req_id)
        store.decisions.consume(connection, request.request_id, now=now)
        issued = self._issuer.issue(connection, authorized, client, grant_type=CIBA, resources=(), now=now)
        tokens: dict[str, Any] = msgspec.json.decode(issued)
        return tokens


class BackchannelNotification:
    """Composes the messages of kind `backchannel_notification`."""

    def __init__(self, clients: Clients, secret_key: SecretKey) -> None:
        self._clients = clients
        self._secret_key = secret_key

    def __call__(self, payload: bytes) -> Message | None:
        """The request of sections 10.2 and 10.3 to where the client wants it now."""
        opened = self._secret_key.unseal(payload, purpose=_PURPOSE)
        notification = msgspec.json.decode(opened, type=_Notification)
        client = self._clients.find(notification.client_id)
        if client is None or client.backchannel_client_notification_endpoint is None:
            return None
        return Message(
            url=client.backchannel_client_notification_endpoint,
            headers={
                "authorization": f"Bearer {notification.notification_token}",
                "content-type": "application/json",
            },
            body=notification.body,
        )
