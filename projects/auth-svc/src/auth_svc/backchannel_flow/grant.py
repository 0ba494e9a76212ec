"""The CIBA grant at /token (CIBA Core sections 10.1 and 11)."""

from datetime import datetime, timedelta

from auth_svc.approvals import Approval, authorized, poll
from auth_svc.backchannel_flow import store
from auth_svc.backchannel_flow.flow import BackchannelRequest
from auth_svc.clients import Client
from auth_svc.db import Connection
from auth_svc.errors import InvalidGrant, InvalidRequest, UnauthorizedClient
from auth_svc.grants import Terms
from auth_svc.protocol import CIBA
from auth_svc.resources import Resources
from auth_svc.signin import acr_of
from auth_svc.token import Authorized, Form, Outcome, Refusal


class Backchannel:
    """Polled by the client until its person has decided; good once, for the client that asked."""

    grant_type = CIBA

    def __init__(self, resources: Resources, *, life: timedelta) -> None:
        self._resources = resources
        self._life = life

    def authorize(self, connection: Connection, client: Client, form: Form, now: datetime) -> Outcome:
        """Answer a poll, and consume the request when the person has said yes.

        Raises:
            UnauthorizedClient: its tokens are pushed (section 5).
            InvalidRequest: no `auth_req_id`.
            InvalidGrant: unknown, used, another client's, or the person has signed out since.
            AccessDenied: the person said no.
            ExpiredToken: nobody said anything in time.
            InvalidScope: the person's roles no longer cover any of it.
        """
        if client.backchannel_token_delivery_mode == "push":
            raise UnauthorizedClient(f"{client.client_id} is told")
        auth_req_id = form.get("auth_req_id")
        if auth_req_id is None:
            raise InvalidRequest("auth_req_id is missing")
        request = store.find_by_secret(connection, auth_req_id)
        if request is None:
            raise InvalidGrant("unknown auth_req_id")
        if request.client_id != client.client_id:
            raise InvalidGrant(f"auth_req_id of {request.client_id} shown by {client.client_id}")
        approval = poll(connection, request, store.decisions, request.request_id, life=self._life, now=now)
        if isinstance(approval, Refusal):
            return approval
        return self.authorized(connection, client, request, approval, now)

    def authorized(
        self, connection: Connection, client: Client, request: BackchannelRequest, approval: Approval, now: datetime
    ) -> Authorized:
        """What may be issued for an approved request.

        Raises:
            InvalidGrant: the person has signed out since.
            InvalidScope: nothing is left.
        """
        return authorized(
            connection,
            client,
            approval,
            self._resources.catalogue,
            resource=request.resource,
            terms=Terms(acr=acr_of(approval.amr), authorization_details=request.details),
            now=now,
        )
