"""POST /par: the authorization request, sent by the client itself before its person comes (RFC 9126)."""

import math
from datetime import timedelta
from typing import Final

import msgspec

from auth_svc import wire
from auth_svc.clients import Client, ClientAuthentication
from auth_svc.code_flow import store
from auth_svc.code_flow.kept import REQUEST_URI
from auth_svc.code_flow.reading import Refused, RequestReader
from auth_svc.code_flow.request import AuthorizationRequest
from auth_svc.db import Connection, Ledger
from auth_svc.errors import InvalidRequest, TooManyRequests
from auth_svc.proofs import Possession, Shown
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
    7  proofs    a proof is good, and its key the one of `dpop_jkt`     invalid_dpop_proof, use_dpop_nonce
    8  here      a public client has not pushed too much                temporarily_unavailable (429)
    """

    def __init__(
        self,
        ledger: Ledger,
        authentication: ClientAuthentication,
        possession: Possession,
        reader: RequestReader,
        secret_key: SecretKey,
        *,
        uri: str,
    ) -> None:
        """`uri` is the address of this endpoint, as proofs name it."""
        self._ledger = ledger
        self._authentication = authentication
        self._possession = possession
        self._uri = uri
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
            asked = await self._reader.read(form, client, pushed=True)
        except Refused as refused:
            raise refused.error from refused
        secret = new_token()
        shown = self._possession.of_client(request, client, uri=self._uri, owed=False)
        if shown is not None:
            asked = _bound(asked, shown)
        await self._keep(request, client, shown, asked, secret)
        answer = {"request_uri": REQUEST_URI + secret, "expires_in": int(LIFE.total_seconds())}
        response = wire.json_response(answer, status=201)
        return response if shown is None else response._replace(headers=[*response.headers, *shown.headers])

    async def _keep(
        self, request: wire.Request, client: Client, shown: Shown | None, asked: AuthorizationRequest, secret: str
    ) -> None:
        expires_at = self._ledger.now() + LIFE

        def unit(connection: Connection) -> None:
            if shown is not None:
                self._possession.consume(connection, shown)
            if not client.confidential:
                network = network_of((request.scope.get("client") or ("",))[0])
                mine = self._limit_hash(f"{client.client_id}\0{network}")
                limits = ((mine, FROM_ONE_ADDRESS), (self._limit_hash("all"), IN_ALL))
                take_attempt(connection, limits, now=self._ledger.now())
            store.keep_pushed(connection, asked, hashed=token_hash(secret), expires_at=expires_at)

        try:
            await self._ledger.database.work(unit)
        except TooManyAttempts as error:
            seconds = math.ceil(error.wait.total_seconds())
            raise TooManyRequests(client.client_id, retry_after=seconds) from error


def _bound(asked: AuthorizationRequest, shown: Shown) -> AuthorizationRequest:
    """The code will be good with the key of the proof only, as if `dpop_jkt` had named it (RFC 9449 section 10.1)."""
    jkt = shown.confirmation.jkt
    if asked.dpop_jkt not in (None, jkt):
        raise InvalidRequest("dpop_jkt is not the key of the proof")
    return msgspec.structs.replace(asked, dpop_jkt=jkt)
