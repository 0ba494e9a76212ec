"""POST /par: the authorization request, sent by the client itself before its person comes (RFC 9126)."""

import math
from datetime import timedelta
from typing import Final

from auth_svc import wire
from auth_svc.clients import Client, ClientAuthentication
from auth_svc.code_flow import store
from auth_svc.code_flow.kept import REQUEST_URI
from auth_svc.code_flow.reading import Refused, RequestReader, fields_of
from auth_svc.code_flow.request import AuthorizationRequest
from auth_svc.db import Connection, Ledger
from auth_svc.errors import InvalidRequest, TooManyRequests
from auth_svc.secret_key import SecretKey, new_token, token_hash
from auth_svc.signin import Limit, TooManyAttempts, network_of, take_attempt

LIFE: Final = timedelta(seconds=90)
"""How long a person may take to arrive: time for a slow telephone, far below the 600 s of FAPI 2.0 section 5.3.2.2."""
FROM_ONE_ADDRESS: Final = Limit(60, timedelta(seconds=5))
"""Requests that one public client may push from one address."""
IN_ALL: Final = Limit(1000, timedelta(milliseconds=100))
"""Requests that public clients may push together. Anybody may say that they are one: this bounds the table."""


class PushedRequests:
    """POST /par.

    1  wire      POST, a form, not too large, nothing repeated          invalid_request (405, 413)
    2  clients   the client is who it says                              invalid_client
    3  here      `client_id` is there, `request_uri` is not             invalid_request
    4  reading   a request object is good                               invalid_request_object
    5  reading   the redirect URI is the client's                       invalid_request
    6  flow      everything that /authorize asks: `ORDER_OF_CHECKS`     as there, but as JSON
    7  here      a public client has not pushed too much                temporarily_unavailable (429)
    """

    def __init__(
        self, ledger: Ledger, authentication: ClientAuthentication, reader: RequestReader, secret_key: SecretKey
    ) -> None:
        self._ledger = ledger
        self._authentication = authentication
        self._reader = reader
        self._limit_hash = secret_key.hasher("pushed request limit")

    async def __call__(self, request: wire.Request) -> wire.Response:
        """Check the request, keep it, and answer with the reference to it (RFC 9126 section 2.2).

        Raises:
            OAuthError: the answer is no; nothing goes to the redirect URI (section 2.3).
        """
        form = await request.form()
        client = await self._authentication.authenticate(request, form)
        if "client_id" not in form:
            raise InvalidRequest("no client_id")
        if "request_uri" in form:
            raise InvalidRequest("request_uri in a pushed request")
        try:
            asked = await self._reader.read(fields_of(form), client, pushed=True)
        except Refused as refused:
            raise refused.error from refused
        secret = new_token()
        await self._keep(request, client, asked, secret)
        answer = {"request_uri": REQUEST_URI + secret, "expires_in": int(LIFE.total_seconds())}
        return wire.json_response(answer, status=201)

    async def _keep(self, request: wire.Request, client: Client, asked: AuthorizationRequest, secret: str) -> None:
        network = network_of((request.scope.get("client") or ("",))[0])
        expires_at = self._ledger.now() + LIFE

        def unit(connection: Connection) -> None:
            if not client.confidential:
                mine = self._limit_hash(f"{client.client_id}\0{network}")
                limits = ((mine, FROM_ONE_ADDRESS), (self._limit_hash("all"), IN_ALL))
                take_attempt(connection, limits, now=self._ledger.now())
            store.keep_pushed(connection, asked, hashed=token_hash(secret), expires_at=expires_at)

        try:
            await self._ledger.database.work(unit)
        except TooManyAttempts as error:
            seconds = math.ceil(error.wait.total_seconds())
            raise TooManyRequests(f"{client.client_id} from {network}", retry_after=seconds) from error
