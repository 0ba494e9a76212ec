"""/register: a person who has no account yet makes one, and is signed in."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from auth_svc.db import Connection, Ledger
from auth_svc.errors import TemporarilyUnavailable
from auth_svc.secret_key import SecretKey
from auth_svc.signin import NEW_ACCOUNTS, Browser, Errand, Sessions, TooManyAttempts, network_of, take_attempt
from auth_svc.users import AccountError, Accounts, Passwords, Profile, hash_password
from auth_svc.web import Fields, Pages, parse_fields

_LONGEST_NAME = 120
_LONGEST_EMAIL = 254
"""Characters (RFC 5321 section 4.5.3.1)."""


@dataclass(frozen=True)
class _Draft:
    """What was typed, except for the password."""

    username: str = ""
    name: str = ""
    email: str = ""

    def problem(self) -> str | None:
        """What a form can say before anybody is asked."""
        if not self.name.isprintable() or not 0 < len(self.name) <= _LONGEST_NAME:
            return f"Your name has 1 to {_LONGEST_NAME} characters."
        local, at, domain = self.email.rpartition("@")
        if not (local and at and domain) or " " in self.email or not self.email.isprintable():
            return "That is not an e-mail address."
        if len(self.email) > _LONGEST_EMAIL:
            return f"An e-mail address has {_LONGEST_EMAIL} characters at most."
        return None


class RegisterPages:
    """The page, and what its button does."""

    def __init__(
        self,
        ledger: Ledger,
        pages: Pages,
        browser: Browser,
        accounts: Accounts,
        passwords: Passwords,
        sessions: Sessions,
        secret_key: SecretKey,
        *,
        roles: Sequence[str],
    ) -> None:
        """`roles`: what everybody who registers is given."""
        self._ledger = ledger
        self._pages = pages
        self._browser = browser
        self._accounts = accounts
        self._passwords = passwords
        self._sessions = sessions
        self._roles = tuple(roles)
        self._limit_hash = secret_key.hasher("sign-in limit")
        self.routes = [
            Route("/register", self._show, methods=["GET"]),
            Route("/register", self._register, methods=["POST"]),
        ]

    async def _show(self, request: Request) -> Response:
        to = parse_fields(request.scope["query_string"]).get("to")
        errand = self._browser.errand(to)
        return self._form(request, errand, to, _Draft(username=errand.username or ""))

    async def _register(self, request: Request) -> Response:
        fields = await self._pages.read_form(request)
        to = fields.get("to")
        errand = self._browser.errand(to)
        draft = _draft(fields)
        problem = draft.problem()
        if problem is not None:
            return self._form(request, errand, to, draft, problem=problem, status=400)
        network = network_of(request.client.host if request.client else "")
        limits = [(self._limit_hash(f"register {network}"), NEW_ACCOUNTS)]
        try:
            # Before anything else and for good: names that are taken are told to nobody who asks for many.
            await self._ledger.database.work(lambda c: take_attempt(c, limits, now=self._ledger.now()))
            password_hash = await self._passwords.hash(hash_password, draft.username, fields.get("password", ""))

            def proven(connection: Connection) -> str:
                profile = Profile(
                    username=draft.username, name=draft.name, email=draft.email, roles=self._roles, password=""
                )
                return self._accounts.add(connection, profile, password_hash=password_hash)

            return await self._sessions.begin(request, errand.path, proven)
        except AccountError as error:
            text = error.problem[:1].upper() + error.problem[1:] + "."
            return self._form(request, errand, to, draft, problem=text, status=400)
        except TooManyAttempts as error:
            seconds = math.ceil(error.wait.total_seconds())
            text = f"Too many accounts were made from here. Try again in {math.ceil(seconds / 60)} minutes."
            return self._form(request, errand, to, draft, problem=text, status=429, retry_after=seconds)
        except TemporarilyUnavailable as error:
            text = "Too many people are signing in just now. Try again in a moment."
            return self._form(request, errand, to, draft, problem=text, status=503, retry_after=error.retry_after)

    def _form(
        self,
        request: Request,
        errand: Errand,
        to: str | None,
        draft: _Draft,
        *,
        problem: str | None = None,
        status: int = 200,
        retry_after: int | None = None,
    ) -> Response:
        return self._pages.render(
            request,
            "register.html",
            status=status,
            retry_after=retry_after,
            form_targets=[errand.form_target] if errand.form_target else [],
            to=to,
            draft=draft,
            client_name=errand.client_name,
            sign_in=self._browser.sign_in_path(replace(errand, create=False)),
            problem=problem,
        )


def _draft(fields: Fields) -> _Draft:
    typed = {name: fields.get(name, "").strip() for name in ("username", "name", "email")}
    return _Draft(**typed)
