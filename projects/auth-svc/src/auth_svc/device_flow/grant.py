"""The device code grant at /token (RFC 8628 sections 3.4 and 3.5)."""

from datetime import datetime, timedelta

from auth_svc.approvals import authorized, poll
from auth_svc.clients import Client
from auth_svc.db import Connection
from auth_svc.device_flow import store
from auth_svc.errors import InvalidGrant, InvalidRequest
from auth_svc.grants import Terms
from auth_svc.protocol import DEVICE_CODE
from auth_svc.resources import Resources
from auth_svc.signin import acr_of
from auth_svc.token import Form, Outcome, Refusal


class DeviceCode:
    """Polled by the device until its person has decided; good once, for the client that asked for it."""

    grant_type = DEVICE_CODE

    def __init__(self, resources: Resources, *, life: timedelta) -> None:
        self._resources = resources
        self._life = life

    def authorize(self, connection: Connection, client: Client, form: Form, now: datetime) -> Outcome:
        """Answer a poll, and consume the code when the person has said yes.

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
        approval = poll(connection, device, store.decisions, device.device_id, life=self._life, now=now)
        if isinstance(approval, Refusal):
            return approval
        return authorized(
            connection,
            client,
            approval,
            self._resources.catalogue,
            resource=device.resource,
            terms=Terms(acr=acr_of(approval.amr), authorization_details=device.details),
            now=now,
        )
