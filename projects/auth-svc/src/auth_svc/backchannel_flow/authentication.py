"""POST /backchannel_authentication: where a client begins (CIBA Core section 7)."""

import math
from datetime import timedelta

import msgspec

from auth_svc import users, wire
from auth_svc.approvals import INTERVAL
from auth_svc.backchannel_flow import store
from auth_svc.backchannel_flow.flow import (
    TO_ONE_PERSON,
    BackchannelRequest,
    binding_message,
    life_of,
    notification_token,
    the_hint,
)
from auth_svc.backchannel_flow.notification import Notifications, ToNotify
from auth_svc.clients import Client, ClientAuthentication
from auth_svc.db import Connection, Ledger
from auth_svc.errors import InvalidRequest, InvalidScope, OAuthError, TooManyRequests, UnauthorizedClient
from auth_svc.keys import KeyRing, UnverifiedTokenError
from auth_svc.protocol import CIBA, OPENID
from auth_svc.resources import Resources
from auth_svc.secret_key import SecretKey, new_token
from auth_svc.signin import TooManyAttempts, take_attempt
from auth_svc.subjects import Subjects
from auth_svc.token import Form, narrow, parse_scope, requested_details
from lib_one.contracts.auth import AuthenticationRequested
from lib_one.event import new_id


class UnknownUserId(OAuthError):  # noqa: N818 - errors have the RFC's names
    """CIBA Core section 13: the hint names nobody whom this client can ask."""

    code = "unknown_user_id"
    description = "The hint does not identify a user."


class _Hint(msgspec.Struct, frozen=True):
    iss: str
    sub: str
    aud: str


_decode_hint = msgspec.json.Decoder(_Hint).decode


class BackchannelAuthentication:
    """POST /backchannel_authentication, for confidential clients that an operator has registered for it."""

    def __init__(
        self,
        ledger: Ledger,
        authentication: ClientAuthentication,
        resources: Resources,
        keys: KeyRing,
        subjects: Subjects,
        notifications: Notifications,
        secret_key: SecretKey,
        *,
        issuer: str,
        life: timedelta,
    ) -> None:
        self._ledger = ledger
        self._authentication = authentication
        self._resources = resources
        self._keys = keys
        self._subjects = subjects
        self._notifications = notifications
        self._limit_hash = secret_key.hasher("backchannel limit")
        self._issuer = issuer
        self._life = life

    async def __call__(self, request: wire.Request) -> wire.Response:
        """Begin: the request waits on the page of its person.

        Raises:
            OAuthError: the answer is no.
        """
        form = await request.form()
        client = await self._authentication.authenticate(request, form)
        if CIBA not in client.grant_types or not client.confidential:
            raise UnauthorizedClient(f"{client.client_id}: backchannel authentication")
        if "request" in form:
            raise InvalidRequest("signed requests are not supported")
        mode = client.backchannel_token_delivery_mode or "poll"
        if mode == "push" and client.fapi2:
            raise UnauthorizedClient(f"{client.client_id}: pushed tokens are bound to no key")
        hint, value = the_hint(form)
        message, life = binding_message(form), life_of(form, self._life)
        scope = self._scope(form, client)
        details = requested_details(
            form.get("authorization_details"), client, self._resources.catalogue, scope=scope, resources=form.resources
        )
        subject = self._subject_of(value, client) if hint == "id_token_hint" else None
        auth_req_id = new_token()
        notify = None
        if mode != "poll":
            notify = self._notifications.seal(ToNotify(auth_req_id, notification_token(form)))

        def begin(connection: Connection) -> None:
            now = self._ledger.now()
            if subject is not None:
                user = users.find(connection, subject)
            else:
                user = users.find_by_username(connection, value) if value.isprintable() else None
            if user is None or user.disabled:
                raise UnknownUserId
            asked = BackchannelRequest(
                request_id=new_id(),
                client_id=client.client_id,
                user_id=user.user_id,
                scope=scope,
                resource=form.resources,
                details=details,
                binding_message=message,
                status="pending",
                approval=None,
                interval=INTERVAL,
                polled_at=None,
                decided_at=None,
                expires_at=now + life,
                used=False,
                notify_sealed=notify,
            )
            limit = (self._limit_hash(f"{client.client_id}\0{user.user_id}"), TO_ONE_PERSON)
            take_attempt(connection, (limit,), now=now)
            store.keep(connection, asked, auth_req_id=auth_req_id)
            self._ledger.outbox.record(
                connection,
                AuthenticationRequested(
                    request_id=asked.request_id,
                    client_id=client.client_id,
                    user_id=user.user_id,
                    expires_at=asked.expires_at,
                ),
            )

        try:
            await self._ledger.database.work(begin)
        except TooManyAttempts as error:
            seconds = math.ceil(error.wait.total_seconds())
            raise TooManyRequests(f"{client.client_id} asks one person", retry_after=seconds) from error
        begun: dict[str, object] = {"auth_req_id": auth_req_id, "expires_in": int(life.total_seconds())}
        if mode != "push":
            begun["interval"] = int(INTERVAL.total_seconds())
        return wire.json_response(begun)

    def _scope(self, form: Form, client: Client) -> tuple[str, ...]:
        catalogue = self._resources.catalogue
        catalogue.check(form.resources)
        scope = catalogue.within(narrow(parse_scope(form.get("scope")), client.scopes), form.resources)
        if OPENID not in scope:
            raise InvalidScope("openid is not in it")
        catalogue.audience(scope, form.resources)
        return scope

    def _subject_of(self, hint: str, client: Client) -> str:
        """Whom an ID token of ours for this client is about, even an expired one (section 7.1)."""
        try:
            claims = _decode_hint(self._keys.verify(hint, typ="JWT"))
        except (UnverifiedTokenError, msgspec.DecodeError) as error:
            raise UnknownUserId from error
        if claims.iss != self._issuer or claims.aud != client.client_id:
            raise UnknownUserId("an ID token of another client")
        user_id = self._subjects.person(client, claims.sub)
        if user_id is None:
            raise UnknownUserId("a subject of another sector")
        return user_id
