"""POST /device_authorization: where a device begins (RFC 8628 section 3.1)."""

import math
from datetime import timedelta

from auth_svc import wire
from auth_svc.approvals import INTERVAL
from auth_svc.clients import ClientAuthentication
from auth_svc.db import Connection, Ledger
from auth_svc.device_flow import store
from auth_svc.device_flow.flow import (
    BEGUN_FROM_ONE_ADDRESS,
    BEGUN_IN_ALL,
    Device,
    new_user_code,
    show_user_code,
)
from auth_svc.errors import InvalidScope, TooManyRequests, UnauthorizedClient
from auth_svc.protocol import DEVICE_CODE
from auth_svc.resources import Resources
from auth_svc.secret_key import SecretKey, new_token
from auth_svc.signin import TooManyAttempts, network_of, take_attempt
from auth_svc.token import narrow, parse_scope, requested_details
from lib_one.event import new_id


class DeviceAuthorization:
    """POST /device_authorization (RFC 8628 section 3.1)."""

    def __init__(
        self,
        ledger: Ledger,
        authentication: ClientAuthentication,
        resources: Resources,
        secret_key: SecretKey,
        *,
        issuer: str,
        life: timedelta,
    ) -> None:
        self._ledger = ledger
        self._authentication = authentication
        self._user_code_hash = secret_key.hasher("user code")
        self._limit_hash = secret_key.hasher("device limit")
        self._page = f"{issuer}/device"
        self._resources = resources
        self._life = life

    async def __call__(self, request: wire.Request) -> wire.Response:
        """Begin: a device code for the device, a user code for its person.

        Anybody may begin as a public client, so their number is limited before anything is kept.

        Raises:
            OAuthError: the answer is no.
        """
        form = await request.form()
        client = await self._authentication.authenticate(request, form)
        if DEVICE_CODE not in client.grant_types:
            raise UnauthorizedClient(f"{client.client_id}: device flow")
        catalogue = self._resources.catalogue
        catalogue.check(form.resources)
        scope = catalogue.within(narrow(parse_scope(form.get("scope")), client.scopes), form.resources)
        if not scope:
            raise InvalidScope
        catalogue.audience(scope, form.resources)
        details = requested_details(
            form.get("authorization_details"), client, catalogue, scope=scope, resources=form.resources
        )
        device_code = new_token()
        network = network_of((request.scope.get("client") or ("",))[0])
        limits = (
            (self._limit_hash(f"{client.client_id}\0{network}"), BEGUN_FROM_ONE_ADDRESS),
            (self._limit_hash("all"), BEGUN_IN_ALL),
        )

        def begin(connection: Connection) -> str:
            take_attempt(connection, limits, now=self._ledger.now())
            user_code = new_user_code()
            while store.find_by_user_code(connection, self._user_code_hash(user_code)) is not None:
                user_code = new_user_code()
            device = Device(
                device_id=new_id(),
                client_id=client.client_id,
                scope=scope,
                resource=form.resources,
                details=details,
                status="pending",
                approval=None,
                interval=INTERVAL,
                polled_at=None,
                decided_at=None,
                expires_at=self._ledger.now() + self._life,
                used=False,
            )
            store.keep(connection, device, device_code=device_code, user_code_hash=self._user_code_hash(user_code))
            return user_code

        try:
            shown = show_user_code(await self._ledger.database.work(begin))
        except TooManyAttempts as error:
            seconds = math.ceil(error.wait.total_seconds())
            raise TooManyRequests(f"{client.client_id} from {network}", retry_after=seconds) from error
        return wire.json_response(
            {
                "device_code": device_code,
                "user_code": shown,
                "verification_uri": self._page,
                "verification_uri_complete": f"{self._page}?user_code={shown}",
                "expires_in": int(self._life.total_seconds()),
                "interval": int(INTERVAL.total_seconds()),
            }
        )
