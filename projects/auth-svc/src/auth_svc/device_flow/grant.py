"""The device code grant at /token (RFC 8628 sections 3.4 and 3.5)."""

from datetime import datetime, timedelta

from auth_svc import signin, users
from auth_svc.clients import Client
from auth_svc.db import Connection
from auth_svc.device_flow import store
from auth_svc.device_flow.flow import Approval, Device
from auth_svc.errors import (
    AccessDenied,
    AuthorizationPending,
    ExpiredToken,
    InvalidGrant,
    InvalidRequest,
    InvalidScope,
    SlowDown,
)
from auth_svc.grants import Terms
from auth_svc.protocol import DEVICE_CODE, OFFLINE_ACCESS, OPENID, REFRESH_TOKEN
from auth_svc.resources import Resources
from auth_svc.token import SLOWER, Answer, Authorized, Form, Outcome, Refusal, answer, narrow


class DeviceCode:
    """Polled by the device until its person has decided; good once, for the client that asked for it."""

    grant_type = DEVICE_CODE

    def __init__(self, resources: Resources, *, life: timedelta) -> None:
        self._resources = resources
        self._life = life

    def authorize(self, connection: Connection, client: Client, form: Form, now: datetime) -> Outcome:
        """Answer a poll, and consume the code when the person has said yes.

        That somebody polled is kept, so `authorization_pending` and `slow_down` are refusals, not errors raised.

        Raises:
            InvalidRequest: no device code.
            InvalidGrant: unknown, used, another client's, or the person has signed out since.
            AccessDenied: the person said no.
            ExpiredToken: nobody said anything in time.
            InvalidScope: the person's roles no longer cover any of it.
        """
        device_code = form.get("device_code")
        if device_code is None:
            raise InvalidRequest("device_code is missing")
        device = store.find_by_device_code(connection, device_code)
        if device is None:
            raise InvalidGrant("unknown device code")
        if device.client_id != client.client_id:
            raise InvalidGrant(f"device code of {device.client_id} shown by {client.client_id}")
        match answer(device, life=self._life, now=now):
            case Answer.USED:
                raise InvalidGrant("used device code")
            case Answer.DENIED:
                raise AccessDenied("by the person")
            case Answer.EXPIRED:
                raise ExpiredToken
            case Answer.PENDING:
                store.polled(connection, device.device_id, interval=device.interval, now=now)
                return Refusal(AuthorizationPending())
            case Answer.SLOW_DOWN:
                store.polled(connection, device.device_id, interval=device.interval + SLOWER, now=now)
                return Refusal(SlowDown())
            case Answer.TOKENS:
                if device.approval is None or not store.consume(connection, device_code, now=now):
                    raise InvalidGrant("used device code")
                return self._authorized(connection, client, device, device.approval, now)

    def _authorized(
        self, connection: Connection, client: Client, device: Device, approval: Approval, now: datetime
    ) -> Authorized:
        user = users.find(connection, approval.user_id)
        if user is None or not signin.is_live(connection, approval.session_id, now=now):
            raise InvalidGrant("the session is over")
        scope = narrow(approval.scope, self._resources.catalogue.scopes_for(user.roles), client.scopes)
        if not scope:
            raise InvalidScope("nothing is left of the consent")
        return Authorized(
            subject=approval.user_id,
            client_id=client.client_id,
            scope=scope,
            grant_id=approval.grant_id,
            session_id=approval.session_id,
            auth_time=approval.auth_time,
            amr=approval.amr,
            roles=user.roles,
            issue_refresh=OFFLINE_ACCESS in scope and REFRESH_TOKEN in client.grant_types,
            id_token=OPENID in scope,
            resource=device.resource,
            terms=Terms(acr=signin.acr_of(approval.amr)),
        )
