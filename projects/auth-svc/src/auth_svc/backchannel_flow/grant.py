"""The CIBA grant at /token (CIBA Core sections 10.1 and 11)."""

from datetime import datetime, timedelta

from auth_svc import signin, users
from auth_svc.backchannel_flow import store
from auth_svc.backchannel_flow.flow import Approval, BackchannelRequest
from auth_svc.clients import Client
from auth_svc.db import Connection
from auth_svc.errors import (
    AccessDenied,
    AuthorizationPending,
    ExpiredToken,
    InvalidGrant,
    InvalidRequest,
    InvalidScope,
    SlowDown,
    UnauthorizedClient,
)
from auth_svc.grants import Terms
from auth_svc.protocol import CIBA, OFFLINE_ACCESS, OPENID, REFRESH_TOKEN
from auth_svc.resources import Resources
from auth_svc.token import SLOWER, Answer, Authorized, Form, Outcome, Refusal, answer, narrow


class Backchannel:
    """Polled by the client until its person has decided; good once, for the client that asked."""

    grant_type = CIBA

    def __init__(self, resources: Resources, *, life: timedelta) -> None:
        self._resources = resources
        self._life = life

    def authorize(self, connection: Connection, client: Client, form: Form, now: datetime) -> Outcome:
        """Answer a poll, and consume the request when the person has said yes.

        That somebody polled is kept, so `authorization_pending` and `slow_down` are refusals, not errors raised.

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
        match answer(request, life=self._life, now=now):
            case Answer.USED:
                raise InvalidGrant("used auth_req_id")
            case Answer.DENIED:
                raise AccessDenied("by the person")
            case Answer.EXPIRED:
                raise ExpiredToken
            case Answer.PENDING:
                store.polled(connection, request.request_id, interval=request.interval, now=now)
                return Refusal(AuthorizationPending())
            case Answer.SLOW_DOWN:
                store.polled(connection, request.request_id, interval=request.interval + SLOWER, now=now)
                return Refusal(SlowDown())
            case Answer.TOKENS:
                if request.approval is None or not store.consume(connection, request.request_id, now=now):
                    raise InvalidGrant("used auth_req_id")
                return self.authorized(connection, client, request, request.approval, now)

    def authorized(
        self, connection: Connection, client: Client, request: BackchannelRequest, approval: Approval, now: datetime
    ) -> Authorized:
        """What may be issued for an approved request.

        Raises:
            InvalidGrant: the person has signed out since.
            InvalidScope: nothing is left.
        """
        user = users.find(connection, request.user_id)
        if user is None or not signin.is_live(connection, approval.session_id, now=now):
            raise InvalidGrant("the session is over")
        scope = narrow(approval.scope, self._resources.catalogue.scopes_for(user.roles), client.scopes)
        if not scope:
            raise InvalidScope("nothing is left of the consent")
        return Authorized(
            subject=request.user_id,
            client_id=client.client_id,
            scope=scope,
            grant_id=approval.grant_id,
            session_id=approval.session_id,
            auth_time=approval.auth_time,
            amr=approval.amr,
            roles=user.roles,
            issue_refresh=OFFLINE_ACCESS in scope and REFRESH_TOKEN in client.grant_types,
            id_token=OPENID in scope,
            resource=request.resource,
            terms=Terms(acr=signin.acr_of(approval.amr)),
        )
