"""/signin and the home page."""

import math
import secrets
from dataclasses import dataclass
from datetime import timedelta

import msgspec
from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from auth_svc.db import Connection, Ledger
from auth_svc.errors import TemporarilyUnavailable
from auth_svc.secret_key import SecretKey
from auth_svc.signin import store
from auth_svc.signin.beginning import Sessions
from auth_svc.signin.browser import Browser
from auth_svc.signin.flow import (
    AT_ONE_ACCOUNT,
    BY_ONE_ADDRESS,
    FROM_KNOWN_BROWSER,
    FROM_ONE_ADDRESS,
    Errand,
    Limit,
    network_of,
)
from auth_svc.users import Passwords
from auth_svc.web import Pages, Seal, SealBrokenError, parse_fields
from lib_one.contracts.auth import SignInFailed

_WRONG = "The username or the password is not right."
_KNOWN = "known"
_KNOWN_LIFE = timedelta(days=180)


class _KnownBrowser(msgspec.Struct, frozen=True):
    """A cookie that says: the owner of this account has signed in here. It opens nothing; it has its own limit."""

    account: str
    nonce: str


@dataclass(frozen=True)
class _Guess:
    """One attempt: whose account it is aimed at, and the limits that it is taken from."""

    account: str
    limits: tuple[tuple[bytes, Limit], ...]


class SignInPages:
    """The page to sign in, and the home page."""

    def __init__(
        self,
        ledger: Ledger,
        pages: Pages,
        browser: Browser,
        passwords: Passwords,
        sessions: Sessions,
        secret_key: SecretKey,
        *,
        accounts_open: bool,
    ) -> None:
        """`accounts_open`: there is a page to register, and the one to sign in says so."""
        self._ledger = ledger
        self._pages = pages
        self._browser = browser
        self._passwords = passwords
        self._sessions = sessions
        self._accounts_open = accounts_open
        self._account_hash = secret_key.hasher("sign-in account")
        self._limit_hash = secret_key.hasher("sign-in limit")
        self._known = Seal(secret_key.derive("known browser"), shape=_KnownBrowser, life=_KNOWN_LIFE, now=ledger.now)
        self.routes = [
            Route("/", self._home, methods=["GET"]),
            Route("/signin", self._show_sign_in, methods=["GET"]),
            Route("/signin", self._sign_in, methods=["POST"]),
        ]

    async def _home(self, request: Request) -> Response:
        found = self._browser.signed_in(request)
        return self._pages.render(
            request,
            "home.html",
            user=found.user if found else None,
            since=found.session.auth_time if found else None,
        )

    async def _show_sign_in(self, request: Request) -> Response:
        to = parse_fields(request.scope["query_string"]).get("to")
        errand = self._browser.errand(to)
        if not errand.again and self._browser.signed_in(request) is not None:
            return self._pages.see(errand.path)
        return self._form(request, errand, to, username=errand.username or "")

    async def _sign_in(self, request: Request) -> Response:
        fields = await self._pages.read_form(request)
        to = fields.get("to")
        errand = self._browser.errand(to)
        username, password = fields.get("username", "").strip(), fields.get("password", "")
        guess = self._guess(request, username)
        now = self._ledger.now()
        try:
            await self._ledger.database.work(lambda c: store.take_attempt(c, guess.limits, now=now))
        except store.TooManyAttempts as error:
            seconds = math.ceil(error.wait.total_seconds())
            text = f"Too many attempts. Wait {_in_words(seconds)}, then try again."
            return self._form(request, errand, to, username=username, problem=text, status=429, retry_after=seconds)
        try:
            user = await self._passwords.authenticate(username, password)
        except TemporarilyUnavailable as error:
            await self._ledger.database.work(lambda c: store.give_back_attempt(c, guess.limits))
            text = "Too many people are signing in just now. Try again in a moment."
            return self._form(
                request, errand, to, username=username, problem=text, status=503, retry_after=error.retry_after
            )
        if user is None:
            failed = SignInFailed(username_hash=guess.account)
            await self._ledger.database.work(lambda c: self._ledger.outbox.record(c, failed))
            return self._form(request, errand, to, username=username, problem=_WRONG, status=403)

        def proven(connection: Connection) -> str:
            store.give_back_attempt(connection, guess.limits)
            return user.user_id

        response = await self._sessions.begin(request, errand.path, proven)
        known = self._known.close(_KnownBrowser(guess.account, secrets.token_urlsafe(16)))
        self._pages.set_cookie(response, _KNOWN, known, life=_KNOWN_LIFE)
        return response

    def _form(
        self,
        request: Request,
        errand: Errand,
        to: str | None,
        *,
        username: str,
        problem: str | None = None,
        status: int = 200,
        retry_after: int | None = None,
    ) -> Response:
        found = self._browser.signed_in(request) if errand.again else None
        return self._pages.render(
            request,
            "signin.html",
            status=status,
            retry_after=retry_after,
            form_targets=[errand.form_target] if errand.form_target else [],
            to=to,
            username=username[:128],
            client_name=errand.client_name,
            confirm=found is not None and found.user.username == errand.username,
            register=self._browser.sign_in_path(replace(errand, create=True)) if self._accounts_open else None,
            problem=problem,
        )

    def _guess(self, request: Request, username: str) -> _Guess:
        account = self._account_hash(username.casefold()).hex()
        network = network_of(request.client.host if request.client else "")
        by_address = (self._limit_hash(f"address {network}"), BY_ONE_ADDRESS)
        known = self._known_browser(request)
        if known is not None and known.account == account:
            return _Guess(account, ((self._limit_hash(f"known {known.nonce}"), FROM_KNOWN_BROWSER),))
        return _Guess(
            account,
            (
                (self._limit_hash(f"pair {network} {account}"), FROM_ONE_ADDRESS),
                by_address,
                (self._limit_hash(f"account {account}"), AT_ONE_ACCOUNT),
            ),
        )

    def _known_browser(self, request: Request) -> _KnownBrowser | None:
        sealed = self._pages.cookie(request, _KNOWN)
        if sealed is None:
            return None
        try:
            return self._known.open(sealed)
        except SealBrokenError:
            return None


def _in_words(seconds: int) -> str:
    if seconds < 60:
        return f"{seconds} second{'' if seconds == 1 else 's'}"
    minutes = math.ceil(seconds / 60)
    return f"{minutes} minute{'' if minutes == 1 else 's'}"
