"""An approval for tokens, at /token."""

from datetime import datetime, timedelta
from typing import Protocol

from auth_svc import signin, users
from auth_svc.approvals.flow import SLOWER, Answer, Approval, Waiting, answer
from auth_svc.approvals.store import Decisions
from auth_svc.clients import Client
from auth_svc.db import Connection
from auth_svc.errors import AccessDenied, AuthorizationPending, ExpiredToken, InvalidGrant, InvalidScope, SlowDown
from auth_svc.grants import Terms
from auth_svc.protocol import OFFLINE_ACCESS, OPENID, REFRESH_TOKEN
from auth_svc.resources import Catalogue
from auth_svc.token import Authorized, Refusal, narrow


class Allowed(Protocol):
    """What a person allowed: an approval, or a code."""

    @property
    def user_id(self) -> str: ...
    @property
    def session_id(self) -> str: ...
    @property
    def grant_id(self) -> str: ...
    @property
    def auth_time(self) -> datetime: ...
    @property
    def amr(self) -> tuple[str, ...]: ...
    @property
    def scope(self) -> tuple[str, ...]: ...


def poll(
    connection: Connection, waiting: Waiting, decisions: Decisions, key: str, *, life: timedelta, now: datetime
) -> Approval | Refusal:
    """Answer a poll about the row `key`, and consume it when the person has said yes.

    That somebody polled is kept, so `authorization_pending` and `slow_down` are refusals, not errors raised.

    Raises:
        InvalidGrant: used.
        AccessDenied: the person said no.
        ExpiredToken: nobody said anything in time.
    """
    match answer(waiting, life=life, now=now):
        case Answer.USED:
            raise InvalidGrant("used already")
        case Answer.DENIED:
            raise AccessDenied("by the person")
        case Answer.EXPIRED:
            raise ExpiredToken
        case Answer.PENDING:
            decisions.polled(connection, key, interval=waiting.interval, now=now)
            return Refusal(AuthorizationPending())
        case Answer.SLOW_DOWN:
            decisions.polled(connection, key, interval=waiting.interval + SLOWER, now=now)
            return Refusal(SlowDown())
        case Answer.TOKENS:
            if waiting.approval is None or not decisions.consume(connection, key, now=now):
                raise InvalidGrant("used already")
            return waiting.approval


def authorized(
    connection: Connection,
    client: Client,
    allowed: Allowed,
    catalogue: Catalogue,
    *,
    resource: tuple[str, ...],
    terms: Terms,
    nonce: str | None = None,
    now: datetime,
) -> Authorized:
    """What may be issued for what a person allowed, as far as their roles and the client still go.

    Raises:
        InvalidGrant: the person has signed out since.
        InvalidScope: nothing is left.
    """
    user = users.find(connection, allowed.user_id)
    if user is None or not signin.is_live(connection, allowed.session_id, now=now):
        raise InvalidGrant("the session is over")
    scope = narrow(allowed.scope, catalogue.scopes_for(user.roles), client.scopes)
    if not scope:
        raise InvalidScope("nothing is left of the consent")
    return Authorized(
        subject=allowed.user_id,
        client_id=client.client_id,
        scope=scope,
        grant_id=allowed.grant_id,
        session_id=allowed.session_id,
        auth_time=allowed.auth_time,
        amr=allowed.amr,
        roles=user.roles,
        person=user,
        nonce=nonce,
        issue_refresh=OFFLINE_ACCESS in scope and REFRESH_TOKEN in client.grant_types,
        id_token=OPENID in scope,
        resource=resource,
        terms=terms,
    )
