"""The backend against a real issuer and a real API, both in this process, over real HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gui_proj import backend as backend_module
from gui_proj.app import GuiApp
from gui_proj.backend import SCOPE, Away, DeviceCode, FeedState, HttpBackend, Refused, SignedOut
from gui_proj.revocation import Guarded, Kind
from gui_proj.settings import Settings
from gui_proj.shipments import Change, Entry, Page, Query, Summary
from gui_proj.testing import SAMPLE_NOW, screen_text, shipment
from lib_one import http as web
from lib_one.testing import eventually
from lib_two.testing import FakeIssuer
from lib_two.testing.server import Answer, Asked
from lib_two.token_store import TokenSet, TokenStore


@pytest.fixture
def issuer() -> Iterator[FakeIssuer]:
    with FakeIssuer() as issuer:
        yield issuer


@pytest.fixture
async def backend(issuer: FakeIssuer, api: Any, tmp_path: Path) -> AsyncIterator[HttpBackend]:
    settings = Settings(issuer=issuer.url, app_url=api.url, state_dir=tmp_path, keyring=False)
    backend = HttpBackend(settings)
    yield backend
    await backend.close()


@pytest.fixture
def signed_in(issuer: FakeIssuer, tmp_path: Path) -> Callable[..., str]:
    """Puts a session into the store, as an earlier run would have left it."""

    def keep(*, expires_in: timedelta = timedelta(minutes=10), scope: str = SCOPE) -> str:
        token = issuer.mint(issuer.subject, scope, client_id="gui-proj")
        TokenStore(tmp_path, keyring=False).save(
            issuer.url,
            "gui-proj",
            TokenSet(
                access_token=token,
                token_type="Bearer",
                expires_at=web_now() + expires_in,
                scope=scope,
                refresh_token=issuer.refresh_token("gui-proj", scope),
            ),
        )
        return token

    return keep


def web_now() -> Any:
    from lib_one.event import utc_now

    return utc_now()


def change(number: int, revision: int = 2) -> Change:
    one = msgspec.structs.replace(shipment(number), revision=revision)
    return Change(one, Entry(f"e{number}-{revision}", number, "scanned", one.origin, SAMPLE_NOW, "departing"))


async def test_signing_in_by_device_stores_the_session(
    backend: HttpBackend, issuer: FakeIssuer, tmp_path: Path
) -> None:
    """RFC 8628 section 3: the code is shown with both addresses, and approval elsewhere ends the wait."""
    assert not await backend.restore()
    shown: list[DeviceCode] = []

    def approve(code: DeviceCode) -> None:
        shown.append(code)
        issuer.decide_device(code.user_code)

    await backend.sign_in_by_device(approve)
    assert shown[0].address == f"{issuer.url}/device"
    assert shown[0].address_with_code.endswith(shown[0].user_code)
    assert await backend.restore()
    assert [path.stat().st_mode & 0o077 for path in tmp_path.rglob("*") if path.is_file()].count(0) > 0


async def test_a_declined_device_code_is_refused_in_words(backend: HttpBackend, issuer: FakeIssuer) -> None:
    with pytest.raises(Refused, match="Start again"):
        await backend.sign_in_by_device(lambda code: issuer.decide_device(code.user_code, approve=False))
    assert not await backend.restore()


async def test_signing_in_with_the_browser(
    backend: HttpBackend, issuer: FakeIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RFC 8252 section 7.3: the browser comes back to a loopback port."""
    shown: list[str] = []
    loop = asyncio.get_running_loop()

    def browse(address: str) -> bool:
        async def go() -> None:
            async with web.client() as http:
                back = await http.get(address)
                await http.get(back.headers["location"])

        loop.call_soon_threadsafe(lambda: tasks.append(loop.create_task(go())))
        return True

    tasks: list[asyncio.Task[None]] = []
    monkeypatch.setattr(backend_module, "_open_browser", browse)
    await backend.sign_in_by_browser(shown.append)
    await asyncio.gather(*tasks)
    assert shown[0].startswith(f"{issuer.url}/authorize?")
    assert await backend.restore()


async def test_without_a_browser_the_code_is_what_remains(
    backend: HttpBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(backend_module.sys, "platform", "linux")
    with pytest.raises(Refused, match="No browser"):
        await backend.sign_in_by_browser(lambda _: None)


async def test_no_browser_is_opened_over_ssh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setenv("SSH_CONNECTION", "192.0.2.1 50000 192.0.2.2 22")
    assert not backend_module._open_browser("http://127.0.0.1/")


async def test_an_issuer_that_is_away_is_named(backend: HttpBackend, issuer: FakeIssuer) -> None:
    issuer.stop()
    with pytest.raises(Away, match=issuer.url):
        await backend.sign_in_by_device(lambda _: None)


async def test_the_list_is_asked_for_with_the_token_and_the_filter(
    backend: HttpBackend, api: Any, signed_in: Callable[..., str]
) -> None:
    token = signed_in()
    api.answer("/shipments", Page([shipment(1)], 9, "c2"))
    page = await backend.shipments(Query(status="in_transit", text="new york & co"), cursor="c1")
    assert page.items == [shipment(1)]
    target, headers = api.asked[-1]
    assert target == "/shipments?status=in_transit&q=new+york+%26+co&cursor=c1&limit=200"
    assert headers["authorization"] == f"Bearer {token}"
    api.answer("/shipments/summary", {"total": 3, "by_status": {"registered": 3}, "by_country": {"PE": 3}, "late": 1})
    assert await backend.summary() == Summary(3, {"registered": 3}, 1)
    api.answer("/shipments/a%2F..%2Fb/timeline", {"shipment": msgspec.to_builtins(shipment(1)), "entries": []})
    assert (await backend.timeline("a/../b")).shipment == shipment(1)


async def test_a_token_that_ran_out_is_refreshed(backend: HttpBackend, api: Any, signed_in: Callable[..., str]) -> None:
    token = signed_in(expires_in=timedelta(seconds=-5))
    api.answer("/shipments", Page([], 0))
    await backend.shipments(Query())
    assert api.asked[-1][1]["authorization"] != f"Bearer {token}"


async def test_a_revoked_session_is_signed_out(
    backend: HttpBackend, api: Any, issuer: FakeIssuer, signed_in: Callable[..., str]
) -> None:
    signed_in()
    issuer.refusal = "invalid_grant"
    api.answer("/shipments", {"title": "Unauthorized"}, status=401)
    with pytest.raises(SignedOut, match="Sign in again"):
        await backend.shipments(Query())
    assert not await backend.restore()
    with pytest.raises(SignedOut):
        await backend.summary()


@pytest.mark.parametrize(
    ("status", "body", "error", "words"),
    [
        (200, "not json", Refused, "cannot be read"),
        (200, "[]", Refused, "cannot be read"),
        (200, '{"items":[{"id":7}],"total":1}', Refused, "cannot be read"),
        (200, "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"), Refused, "cannot be read"),
        (403, '{"title":"Insufficient scope","detail":"needs shipments:read"}', Refused, "You may not do this"),
        (404, '{"title":"Not found"}', Refused, "Not found"),
        (422, '{"title":"Odd \\u001b[2J"}', Refused, "Odd"),
        (500, "<html>oops", Away, "cannot answer at the moment"),
        (503, '{"title":"Not ready"}', Away, "Not ready"),
        (429, "", Away, "cannot answer at the moment"),
    ],
)
async def test_bad_answers_become_sentences(
    backend: HttpBackend,
    api: Any,
    signed_in: Callable[..., str],
    status: int,
    body: str,
    error: type[Exception],
    words: str,
) -> None:
    signed_in()
    api.answer("/shipments", body, status=status)
    with pytest.raises(error, match=words) as caught:
        await backend.shipments(Query())
    assert str(caught.value).isprintable()


async def test_an_api_that_is_away_is_named(backend: HttpBackend, api: Any, signed_in: Callable[..., str]) -> None:
    signed_in()
    await api.stop()
    with pytest.raises(Away, match=api.url):
        await backend.summary()


async def test_the_feed_resumes_after_the_last_event(
    backend: HttpBackend, api: Any, signed_in: Callable[..., str]
) -> None:
    """WHATWG HTML section 9.2: Last-Event-ID, so that nothing is missed while the connection was gone."""
    signed_in()
    states: list[FeedState] = []
    async with aclosing(backend.live(states.append)) as feed:
        waiting = asyncio.ensure_future(anext(feed))
        await eventually(lambda: api.followers == 1)
        await api.tell(41, change(1))
        assert (await waiting) == change(1)
        waiting = asyncio.ensure_future(anext(feed))
        await api.stop()
        await api.start()
        await eventually(lambda: api.followers == 1)
        assert api.asked[-1][1]["last-event-id"] == "41"
        await api.tell(42, change(2))
        assert (await waiting) == change(2)
    assert states[:3] == [FeedState.LIVE, FeedState.RECONNECTING, FeedState.LIVE]


async def test_operator_ends_what_was_issued(
    backend: HttpBackend, issuer: FakeIssuer, signed_in: Callable[..., str]
) -> None:
    token = signed_in()
    answer = Answer({"error": "unknown_identifier", "error_description": "Nothing here has this identifier."}, 404)
    asked: list[Asked] = []

    def told(request: Asked) -> Answer:
        asked.append(request)
        return answer

    issuer.more["/admin/revocations"] = told
    assert await backend.operates()
    with pytest.raises(Refused, match=r"^Nothing here has this identifier\.$"):
        await backend.end(Kind.SUBJECT, "erin", wait=2)
    assert json.loads(asked[0].body) == {"kind": "subject", "id": "erin", "wait": 2}
    assert asked[0].headers["authorization"] == f"Bearer {token}"
    one = {"name": "app-svc", "id": "i", "version": "1", "after_ms": 4.3}
    answer = Answer({"kind": "subject", "id": "e", "sequence": 1, "complete": True, "services": [one], "more": 1})
    report = await backend.end(Kind.SUBJECT, "erin", wait=2)
    assert (report.id, report.complete, report.services) == ("e", True, (Guarded("app-svc", "i", "1", 4.3),))
    answer = Answer({"kind": "subject"})
    with pytest.raises(Refused, match=f"The answer of {issuer.url} cannot be read. Is it the sign-in service"):
        await backend.end(Kind.SUBJECT, "erin", wait=2)
    issuer.stop()
    with pytest.raises(Away, match=f"The sign-in service does not answer at {issuer.url}"):
        await backend.end(Kind.SUBJECT, "erin", wait=2)


async def test_only_a_session_with_the_scope_operates(backend: HttpBackend, signed_in: Callable[..., str]) -> None:
    assert not await backend.operates()
    signed_in(scope="openid shipments:read")
    assert not await backend.operates()


async def test_an_event_that_cannot_be_read_asks_for_a_fresh_look(
    backend: HttpBackend, api: Any, signed_in: Callable[..., str]
) -> None:
    signed_in()
    states: list[FeedState] = []
    async with aclosing(backend.live(states.append)) as feed:
        waiting = asyncio.ensure_future(anext(feed))
        await eventually(lambda: api.followers == 1)
        await api.tell(1, {"shipment": {"id": 5}})
        await api.tell(2, change(2))
        assert (await waiting) == change(2)
    assert states[:2] == [FeedState.LIVE, FeedState.LIVE]


async def test_a_feed_without_the_right_ends_in_words(
    backend: HttpBackend, api: Any, signed_in: Callable[..., str]
) -> None:
    signed_in()
    api.answer("/shipments/live", {"title": "Insufficient scope"}, status=403)
    with pytest.raises(Refused, match="You may not do this"):
        await anext(backend.live(lambda _: None))


async def test_signing_out_revokes_and_forgets(
    backend: HttpBackend, issuer: FakeIssuer, signed_in: Callable[..., str]
) -> None:
    signed_in()
    await backend.sign_out()
    assert issuer.requests["/revoke"] == 1
    assert not await backend.restore()


async def test_signing_out_forgets_even_when_the_issuer_is_away(
    backend: HttpBackend, issuer: FakeIssuer, signed_in: Callable[..., str]
) -> None:
    signed_in()
    issuer.stop()
    with pytest.raises(Away, match="this machine only"):
        await backend.sign_out()
    assert not await backend.restore()


async def test_the_whole_way_from_the_code_to_the_board(backend: HttpBackend, api: Any, issuer: FakeIssuer) -> None:
    """The app on the real backend: sign in, watch a shipment move, lose the API and get it back, sign out."""
    api.answer("/shipments", Page([shipment(1)], 1))
    api.answer("/shipments/summary", Summary(1, {"in_transit": 1}, 0))
    app = GuiApp(backend, now=lambda: SAMPLE_NOW)
    async with app.run_test(size=(100, 30), notifications=True) as pilot:

        async def reads(*words: str) -> None:
            async def there() -> bool:
                await pilot.pause()
                text = screen_text(app)
                assert all(word in text for word in words), text
                return True

            await eventually(there)

        await reads("Waiting for you")
        code = app.screen._code  # type: ignore[attr-defined]
        issuer.decide_device(code.user_code)
        await reads("● live", "BKG-100001", "◐ In transit")
        moved = msgspec.structs.replace(shipment(1), status="delivered", revision=2, delivered_at=SAMPLE_NOW)
        api.answer("/shipments/summary", Summary(1, {"delivered": 1}, 0))
        await api.tell(1, Change(moved, change(1).entry))
        await reads("● Delivered")
        await api.stop()
        await reads("reconnecting", "does not answer")
        await api.start()
        await reads("● live")
        await pilot.press("o", "enter")
        await reads("Signed out. The session was revoked", "Waiting for you")
        assert issuer.requests["/revoke"] == 1
