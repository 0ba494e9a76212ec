"""The network side of the GUI, and the only one: sign-in, shipments, live feed, revocation. Nothing of Textual here.

`Backend` is what the screens need; `HttpBackend` does it over HTTP with lib_two. Whatever goes wrong comes out as one
of three errors, each with a sentence for the person in front of the screen.
"""

import asyncio
import os
import sys
import webbrowser
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Protocol
from urllib.parse import quote

import msgspec
from platformdirs import user_state_path

from gui_proj.revocation import Kind, Person, Report
from gui_proj.settings import Settings
from gui_proj.shipments import Change, Page, Query, Summary, Timeline, printable
from lib_one import http as web
from lib_two import admin, code_flow, device_flow, live
from lib_two.errors import ApiError, IssuerUnavailable, NoBrowser, OAuthError, SignInNeeded, StoreError
from lib_two.session import Session
from lib_two.token_store import TokenStore

SCOPE = f"openid profile email offline_access shipments:read {admin.SCOPE}"
"""What is asked for at sign-in; people get of it what their role has."""
_PAGE = 200
_SIGN_OUT_SECONDS = 5.0


class BackendError(Exception):
    """What was asked for did not work. The message is a sentence for the screen and says what to do next."""

    def __init__(self, sentence: str) -> None:
        super().__init__(printable(sentence))


class SignedOut(BackendError):  # noqa: N818 - a state that the screens act on, not a failure
    """There is no session (any more): sign in again."""


class Away(BackendError):  # noqa: N818
    """A service does not answer, or cannot answer now. Trying again is right."""


class Refused(BackendError):  # noqa: N818
    """The service answered, and the answer is no (or one that cannot be read). Trying again changes nothing."""


class DeviceCode(msgspec.Struct, frozen=True):
    """What a person needs for signing in on another device (RFC 8628 section 3.2)."""

    user_code: str
    address: str
    address_with_code: str
    expires_at: datetime


class FeedState(StrEnum):
    """How the live feed stands."""

    LIVE = "live"
    RECONNECTING = "reconnecting"


class Backend(Protocol):
    """What the screens need of the world. Every method may raise `SignedOut`, `Away` or `Refused`."""

    @property
    def app_url(self) -> str:
        """Base URL of the shipments API."""

    @property
    def client_id(self) -> str:
        """The OAuth client that this program is."""

    async def restore(self) -> bool:
        """Take up the session that is stored. False when there is none."""

    async def sign_in_by_device(self, show: Callable[[DeviceCode], None]) -> None:
        """Get a code, hand it to `show`, wait until a person has entered it elsewhere, store the session."""

    async def sign_in_by_browser(self, show: Callable[[str], None]) -> None:
        """Open the browser on the sign-in page (`show` gets its address), wait for its return, store the session."""

    async def person(self) -> Person:
        """Who is signed in."""

    async def operates(self) -> bool:
        """Whether who is signed in may end what was issued."""

    async def end(self, kind: Kind, id_: str, *, wait: float) -> Report:
        """End it everywhere, and wait so many seconds for the services that check tokens to confirm."""

    async def shipments(self, query: Query, *, cursor: str | None = None) -> Page:
        """One page of the list."""

    async def summary(self) -> Summary:
        """The counts."""

    async def timeline(self, shipment_id: str) -> Timeline:
        """One shipment with all that happened to it."""

    def live(self, on_state: Callable[[FeedState], None]) -> AsyncGenerator[Change]:
        """All changes from now on, without a gap over reconnections. `on_state` is told how the feed stands."""

    async def sign_out(self) -> None:
        """Revoke the session and forget it. Forgets it even when revoking fails (then raises)."""

    async def close(self) -> None:
        """Let go of connections."""


class _Service(NamedTuple):
    """Who is asked, as sentences name it."""

    name: str
    address: str


class HttpBackend:
    """`Backend` over HTTP, with the session kept by lib_two: stored, refreshed when needed, one refresh at a time."""

    def __init__(self, settings: Settings) -> None:
        self._issuer = settings.issuer
        self.app_url = settings.app_url
        self.client_id = settings.client_id
        self._shipments = _Service("shipments service", settings.app_url)
        directory = settings.state_dir or user_state_path("event-based-svcs", appauthor=False) / "gui"
        self._store = TokenStore(directory, keyring=settings.keyring)
        self._session = Session(settings.issuer, settings.client_id, self._store)

    async def restore(self) -> bool:
        """Whether a session is stored. It may turn out to be revoked: the first call tells."""
        session = self._session
        with self._told():
            # A keyring may ask its owner first: not on the loop.
            return await asyncio.to_thread(self._store.load, session.issuer, session.client_id) is not None

    async def sign_in_by_device(self, show: Callable[[DeviceCode], None]) -> None:
        """RFC 8628: polls as the issuer wants it."""
        with self._told():
            authorization = await device_flow.start(self._session.oauth, scope=SCOPE)
            address = authorization.verification_uri
            complete = authorization.verification_uri_complete or address
            show(DeviceCode(printable(authorization.user_code), printable(address), complete, authorization.expires_at))
            tokens = await device_flow.wait(self._session.oauth, authorization)
            self._session.keep(tokens)

    async def sign_in_by_browser(self, show: Callable[[str], None]) -> None:
        """RFC 8252: the browser comes back to a port of this machine."""
        loop = asyncio.get_running_loop()

        def open_browser(address: str) -> bool:
            loop.call_soon_threadsafe(show, address)
            return _open_browser(address)

        with self._told():
            tokens = await code_flow.sign_in(self._session.oauth, scope=SCOPE, open_browser=open_browser)
            self._session.keep(tokens)

    async def person(self) -> Person:
        """From the issuer's userinfo."""
        with self._told():
            claims = await self._session.oauth.userinfo(await self._session.access_token())
        subject, username = str(claims.get("sub") or ""), str(claims.get("preferred_username") or "")
        return Person(printable(str(claims.get("name") or username or subject)), subject, username)

    async def operates(self) -> bool:
        """By the scope of the session."""
        session = self._session
        with self._told():
            tokens = await asyncio.to_thread(self._store.load, session.issuer, session.client_id)
        return tokens is not None and admin.SCOPE in tokens.scope.split()

    async def end(self, kind: Kind, id_: str, *, wait: float) -> Report:
        """POST /admin/revocations at the issuer."""
        with self._told(_Service("sign-in service", self._issuer)):
            return await admin.revoke(self._session, kind, id_, wait=wait)

    async def shipments(self, query: Query, *, cursor: str | None = None) -> Page:
        """GET /shipments."""
        wanted = {"status": query.status, "late": "true" if query.late else None, "q": query.text, "cursor": cursor}
        given = {name: value for name, value in wanted.items() if value}
        return await self._get("/shipments", Page, params={**given, "limit": str(_PAGE)})

    async def summary(self) -> Summary:
        """GET /shipments/summary."""
        return await self._get("/shipments/summary", Summary)

    async def timeline(self, shipment_id: str) -> Timeline:
        """GET /shipments/{id}/timeline."""
        return await self._get(f"/shipments/{quote(shipment_id, safe='')}/timeline", Timeline)

    async def live(self, on_state: Callable[[FeedState], None]) -> AsyncGenerator[Change]:
        """GET /shipments/live, again and again: lib_two resumes it after the last event."""

        def connected(yes: bool) -> None:
            on_state(FeedState.LIVE if yes else FeedState.RECONNECTING)

        with self._told():
            feed = live.events(self._session, f"{self.app_url}/shipments/live", on_state=connected)
            async with aclosing(feed) as events:
                async for event in events:
                    try:
                        change = msgspec.convert(event.data, Change)
                    except msgspec.ValidationError:
                        on_state(FeedState.LIVE)  # something changed that cannot be read here: look at the list again
                        continue
                    yield change

    async def sign_out(self) -> None:
        """Revoke the refresh token, and with it all that came of the sign-in; forget it here in any case."""
        try:
            with self._told():
                async with asyncio.timeout(_SIGN_OUT_SECONDS):
                    await self._session.sign_out()
        except (Away, TimeoutError) as error:
            raise Away(
                f"Signed out on this machine only: {self._issuer} did not answer, so the session was not revoked there."
            ) from error

    async def close(self) -> None:
        """Close the connections."""
        await self._session.aclose()

    async def _get[T](self, path: str, kind: type[T], *, params: dict[str, str] | None = None) -> T:
        with self._told():
            response = await self._session.request("GET", self.app_url + path, params=params)
            return msgspec.json.decode(response.content, type=kind)

    @contextmanager
    def _told(self, service: _Service | None = None) -> Iterator[None]:
        """Translate what lib_two raises into sentences for the person in front of the screen."""
        service = service or self._shipments
        try:
            yield
        except SignInNeeded as error:
            raise SignedOut(f"{error.hint} Sign in again.") from error
        except IssuerUnavailable as error:
            raise Away(f"The sign-in service does not answer at {self._issuer}.") from error
        except web.HTTPError as error:
            raise Away(f"The {service.name} does not answer at {service.address}.") from error
        except ApiError as error:
            raise _api_error(error, service) from error
        except NoBrowser as error:
            raise Refused("No browser could be opened here.") from error
        except (OAuthError, StoreError) as error:
            raise Refused(str(error)) from error
        except (msgspec.DecodeError, web.InvalidURL) as error:
            raise Refused(f"The answer of {service.address} cannot be read. Is it the {service.name}?") from error


def _api_error(error: ApiError, service: _Service) -> BackendError:
    if error.status == 401:
        return SignedOut("Your session has ended: it was revoked or it expired. Sign in again.")
    if error.status == 403:
        return Refused(f"You may not do this: {_said(error)} Ask an operator for the role.")
    if error.status == 429 or error.status >= 500:
        return Away(f"The {service.name} cannot answer at the moment: {_said(error)}")
    return Refused(_said(error))


def _said(error: ApiError) -> str:
    """What the service said, as a sentence."""
    return f"{(error.detail or error.title).rstrip('. ')}."


def _open_browser(address: str) -> bool:
    """Open a browser that has a window of its own; one inside this terminal would draw over the screens."""
    graphical = sys.platform in {"darwin", "win32"} or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )
    if os.environ.get("SSH_CONNECTION") or not (graphical or os.environ.get("BROWSER")):
        return False
    return webbrowser.open(address)
