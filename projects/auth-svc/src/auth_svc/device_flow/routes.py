"""The pages under /device, where people enter the code that their device shows."""

import math
from datetime import timedelta
from urllib.parse import quote

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from auth_svc.approvals import approval_by
from auth_svc.clients import Client, Clients
from auth_svc.db import Connection, Ledger
from auth_svc.device_flow import store
from auth_svc.device_flow.flow import (
    GUESSES,
    Device,
    read_user_code,
    show_user_code,
)
from auth_svc.resources import Resources
from auth_svc.secret_key import SecretKey
from auth_svc.signin import (
    Browser,
    Errand,
    SignedIn,
    TooManyAttempts,
    give_back_attempt,
    take_attempt,
)
from auth_svc.token import narrow
from auth_svc.web import PageProblem, Pages, Seal, SealBrokenError, parse_fields
from lib_one.contracts.auth import ConsentGranted

_CONFIRM_LIFE = timedelta(minutes=15)
_NO_CODE = "A code has eight letters, such as WDJB-MJHT, and never A, E, I, O, U or Y. Check it letter by letter."
_NOT_WAITING = "No device is waiting with this code. Check it, or start again on the device."


class _Confirmation(msgspec.Struct, frozen=True):
    """Which device a person is looking at, between the page that takes the code and the one that asks."""

    device_id: str
    user_id: str
    user_code: str


class DevicePages:
    """The pages where a person enters the code of a device, sees what it asks for, and decides."""

    def __init__(
        self,
        ledger: Ledger,
        pages: Pages,
        browser: Browser,
        clients: Clients,
        resources: Resources,
        secret_key: SecretKey,
    ) -> None:
        self._ledger = ledger
        self._pages = pages
        self._browser = browser
        self._clients = clients
        self._resources = resources
        self._user_code_hash = secret_key.hasher("user code")
        self._limit_hash = secret_key.hasher("user code limit")
        self._confirmations = Seal(
            secret_key.derive("device confirmation"), shape=_Confirmation, life=_CONFIRM_LIFE, now=ledger.now
        )
        self.routes = [
            Route("/device", self._show_entry, methods=["GET"]),
            Route("/device", self._enter, methods=["POST"]),
            Route("/device/confirm", self._show_confirm, methods=["GET"]),
            Route("/device/confirm", self._decide, methods=["POST"]),
            Route("/device/allowed", self._allowed, methods=["GET"]),
            Route("/device/denied", self._denied, methods=["GET"]),
        ]

    async def _show_entry(self, request: Request) -> Response:
        typed = parse_fields(request.scope["query_string"]).get("user_code", "")
        code = read_user_code(typed)
        shown = show_user_code(code) if code else ""
        path = f"/device?user_code={quote(shown)}" if shown else "/device"
        found = self._browser.signed_in(request)
        if found is None:
            return self._browser.sign_in(Errand(path=path))
        problem = (
            "This address holds no whole code. Enter the code that your device shows." if typed and not code else None
        )
        return self._entry(request, found, shown, problem=problem)

    async def _enter(self, request: Request) -> Response:
        """Look a code up. Wrong ones count against the person who enters them (RFC 8628 section 5.1)."""
        fields = await self._pages.read_form(request)
        found = self._browser.signed_in(request)
        if found is None:
            return self._browser.sign_in(Errand(path="/device"))
        typed = fields.get("user_code", "")
        code = read_user_code(typed)
        if code is None:
            return self._entry(request, found, "", typed=typed, problem=_NO_CODE, status=400)
        limits = ((self._limit_hash(found.user.user_id), GUESSES),)
        now = self._ledger.now()
        user_code_hash = self._user_code_hash(code)

        def guess(connection: Connection) -> Device | None:
            take_attempt(connection, limits, now=now)
            device = store.find_by_user_code(connection, user_code_hash)
            if device is None or not device.waits(now):
                return None
            give_back_attempt(connection, limits)
            return device

        try:
            device = await self._ledger.database.work(guess)
        except TooManyAttempts as error:
            seconds = math.ceil(error.wait.total_seconds())
            text = f"Too many wrong codes. Wait {seconds} seconds, then try again."
            return self._entry(request, found, "", typed=typed, problem=text, status=429, retry_after=seconds)
        if device is None:
            return self._entry(request, found, "", typed=typed, problem=_NOT_WAITING, status=404)
        sealed = self._confirmations.close(_Confirmation(device.device_id, found.user.user_id, code))
        return self._pages.see(_confirm_path(sealed))

    async def _show_confirm(self, request: Request) -> Response:
        sealed = parse_fields(request.scope["query_string"]).get("request", "")
        confirmation = self._open(sealed)
        found = self._browser.signed_in(request)
        if found is None or found.user.user_id != confirmation.user_id:
            return self._start_over(confirmation)
        device, client = self._waiting(confirmation)
        scope = self._scope(device, found)
        return self._pages.render(
            request,
            "consent.html",
            action="/device/confirm",
            sealed=sealed,
            client_name=client.client_name,
            user=found.user,
            switch=self._browser.sign_in_path(self._errand(confirmation, again=True)),
            scopes=self._resources.catalogue.in_words(scope),
            details=self._resources.catalogue.details_in_words(device.details),
            narrowed=len(scope) < len(device.scope),
            redirect_host=None,
            on_this_computer=False,
            user_code=show_user_code(confirmation.user_code),
        )

    async def _decide(self, request: Request) -> Response:
        fields = await self._pages.read_form(request)
        confirmation = self._open(fields.get("request", ""))
        found = self._browser.signed_in(request)
        if found is None or found.user.user_id != confirmation.user_id:
            return self._start_over(confirmation)
        device, _ = self._waiting(confirmation)
        match fields.get("decision"):
            case "allow":
                done = await self._ledger.database.work(lambda c: self._approve(c, device, found))
                path = "/device/allowed"
            case "deny":
                now = self._ledger.now()
                done = await self._ledger.database.work(lambda c: store.decisions.deny(c, device.device_id, now=now))
                path = "/device/denied"
            case _:
                raise PageProblem(400, "That could not be read", "The answer was neither Allow nor Deny.")
        if not done:
            raise _over()
        return self._pages.see(path)

    async def _allowed(self, request: Request) -> Response:
        text = "Go back to it: it goes on by itself in a few seconds. You may close this page."
        return self._pages.render(
            request, "done.html", outcome="good", title="Your device is connected", text=text, onward=None
        )

    async def _denied(self, request: Request) -> Response:
        text = "The device has got no access. You may close this page."
        return self._pages.render(request, "done.html", outcome="neutral", title="Denied", text=text, onward=None)

    def _approve(self, connection: Connection, device: Device, found: SignedIn) -> bool:
        scope = self._scope(device, found)
        approval = approval_by(found, scope)
        if not store.decisions.approve(connection, device.device_id, approval, now=self._ledger.now()):
            return False
        self._ledger.outbox.record(
            connection,
            ConsentGranted(
                grant_id=approval.grant_id,
                user_id=approval.user_id,
                client_id=device.client_id,
                scope=" ".join(scope),
            ),
        )
        return True

    def _entry(
        self,
        request: Request,
        found: SignedIn,
        user_code: str,
        *,
        typed: str = "",
        problem: str | None = None,
        status: int = 200,
        retry_after: int | None = None,
    ) -> Response:
        path = f"/device?user_code={quote(user_code)}" if user_code else "/device"
        return self._pages.render(
            request,
            "device.html",
            status=status,
            retry_after=retry_after,
            user=found.user,
            switch=self._browser.sign_in_path(Errand(path=path, again=True)),
            user_code=user_code,
            typed=typed[:32],
            problem=problem,
        )

    def _waiting(self, confirmation: _Confirmation) -> tuple[Device, Client]:
        device = self._ledger.database.lookup(lambda c: store.find(c, confirmation.device_id))
        if device is None or not device.waits(self._ledger.now()):
            raise _over()
        client = self._clients.find(device.client_id)
        if client is None:
            raise _over()
        return device, client

    def _scope(self, device: Device, found: SignedIn) -> tuple[str, ...]:
        scope = narrow(device.scope, self._resources.catalogue.scopes_for(found.user.roles))
        if not scope:
            raise PageProblem(
                403, "Not for your role", "The device asks for nothing that your role may give. Nothing was allowed."
            )
        return scope

    def _open(self, sealed: str) -> _Confirmation:
        try:
            return self._confirmations.open(sealed)
        except SealBrokenError as error:
            raise _over() from error

    def _errand(self, confirmation: _Confirmation, *, again: bool) -> Errand:
        return Errand(path=f"/device?user_code={show_user_code(confirmation.user_code)}", again=again)

    def _start_over(self, confirmation: _Confirmation) -> Response:
        """Somebody else is signed in now, or nobody: from the entry of the code."""
        return self._browser.sign_in(self._errand(confirmation, again=False))


def _confirm_path(sealed: str) -> str:
    return f"/device/confirm?request={quote(sealed)}"


def _over() -> PageProblem:
    return PageProblem(
        409,
        "This code is no longer waiting",
        "It was answered already or has expired. If your device still waits, start again there for a new code.",
        back=("/device", "Enter another code"),
    )
