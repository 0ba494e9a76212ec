"""The session as a person lives it: signing in, signing out, being signed out, services away and back."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from textual.worker import WorkerState

from gui_proj.backend import Away, Refused
from gui_proj.screens.board import BoardScreen
from gui_proj.screens.sign_in import SignInScreen
from gui_proj.shipments import Place
from gui_proj.testing import SAMPLE_NOW, FakeBackend, sample_backend, shipment
from lib_one.testing import eventually

type Open = Callable[..., AbstractAsyncContextManager[Any]]


async def test_a_stored_session_goes_right_to_the_board(gui: Open) -> None:
    async with gui(sample_backend(50)) as screen:
        await screen.reads("● live", "Erin Employee", "127.0.0.1:8401", "BKG-100049")


async def test_without_a_session_a_device_code_signs_in(gui: Open) -> None:
    """RFC 8628 section 3.3: the code, where to enter it, and the same as a QR code."""
    backend = sample_backend(50, session=False)
    async with gui(backend) as screen:
        text = await screen.reads("http://127.0.0.1:8400/device", "10:00", "Waiting for you")
        assert " W   D   J   B " in text
        assert "▀▄" in text or "█▀" in text
        backend.approved.set()
        await screen.reads("● live", "BKG-100049")
        assert isinstance(screen.app.screen, BoardScreen)


async def test_the_code_counts_down(gui: Open) -> None:
    backend = sample_backend(5, session=False)
    elapsed = timedelta(0)
    backend.now = lambda: SAMPLE_NOW + elapsed
    async with gui(backend) as screen:
        await screen.reads("10:00")
        elapsed = timedelta(minutes=9, seconds=18)
        await screen.reads("0:42")


async def test_an_expired_code_says_so_and_n_brings_a_new_one(gui: Open) -> None:
    backend = sample_backend(5, session=False)
    async with gui(backend) as screen:
        await screen.reads("Waiting for you")
        backend.trouble = Refused("The code was not entered in time.")
        backend.approved.set()
        text = await screen.reads("not entered in time", "Press n for a new code")
        assert "W   D" not in text
        backend.trouble = None
        await screen.press("n")
        await screen.reads("Waiting for you")
        assert backend.codes == 2


async def test_sign_in_waits_for_an_issuer_that_is_away(gui: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gui_proj.screens.sign_in._AGAIN", 0.05)
    backend = sample_backend(5, session=False)
    backend.trouble = Away("The sign-in service does not answer.")
    backend.trouble_at_restore = False
    async with gui(backend) as screen:
        await screen.reads("does not answer", "Trying again")
        backend.trouble = None
        await screen.reads("Waiting for you")


async def test_sign_in_with_the_browser(gui: Open) -> None:
    backend = sample_backend(5, session=False)
    async with gui(backend) as screen:
        await screen.reads("Waiting for you")
        await screen.press("b")
        await screen.reads("No window? Press c", "Waiting for the browser")
        await screen.press("c")
        assert screen.app.clipboard.startswith("http://127.0.0.1:8400/authorize?")
        await screen.press("n")
        await screen.reads("Waiting for you")
        await screen.press("c")
        assert screen.app.clipboard.endswith("user_code=WDJB-MJHT")
        await screen.press("b")
        await screen.reads("Waiting for the browser")
        backend.approved.set()
        await screen.reads("● live")


async def test_sign_out_asks_first_then_revokes_and_forgets(gui: Open) -> None:
    backend = sample_backend(5)
    async with gui(backend) as screen:
        await screen.reads("● live")
        await screen.press("o")
        await screen.reads("Sign out?")
        await screen.press("escape")
        await screen.reads_no_more("Sign out?")
        assert backend.session
        await screen.press("o", "enter")
        await screen.reads("Signed out. The session was revoked", "Waiting for you")
        assert not backend.session
        assert "sign_out" in backend.calls


async def test_sign_out_that_cannot_revoke_says_so(gui: Open) -> None:
    backend = sample_backend(5)
    async with gui(backend) as screen:
        await screen.reads("● live")
        backend.trouble = Away("Signed out on this machine only.")
        await screen.press("o", "enter")
        await screen.reads("Signed out on this machine only")
        assert isinstance(screen.app.screen, SignInScreen)


async def test_a_revoked_session_leads_back_to_sign_in_with_a_reason(gui: Open) -> None:
    backend = sample_backend(50)
    async with gui(backend) as screen:
        await screen.reads("● live")
        await screen.press("enter")
        await screen.reads("esc Board")
        backend.revoke()
        await screen.reads("Your session has ended", "Waiting for you", "○ signed out")
        backend.approved.set()
        await screen.reads("● live", "BKG-100049")
        assert "Your session has ended" not in screen.text


async def test_a_session_that_ends_while_asking_leads_back_to_sign_in(gui: Open) -> None:
    backend = sample_backend(50)
    async with gui(backend) as screen:
        await screen.reads("● live")
        backend.session = False
        await screen.press("r")
        await screen.reads("Your session has ended", "Waiting for you")


async def test_services_away_and_back_lose_nothing(gui: Open) -> None:
    backend = sample_backend(50)
    async with gui(backend) as screen:
        await screen.reads("● live", "BKG-100049")
        backend.trouble = Away("The shipments service does not answer.")
        backend.drop_feed()
        text = await screen.reads("◌ reconnecting", "does not answer. Trying again by itself")
        assert "BKG-100049" in text
        backend.register(shipment(99_999))
        backend.scan(msgspec.structs.replace(backend.stored(shipment(49).id), last_place=Place("Atlantis")))
        backend.trouble = None
        backend.resume_feed()
        text = await screen.reads("● live", "BKG-199999", "Atlantis", "51")
        await screen.reads_no_more("does not answer")


async def test_services_away_at_the_start_are_waited_for(gui: Open) -> None:
    backend = sample_backend(50)
    backend.trouble = Away("The shipments service does not answer.")
    backend.trouble_at_restore = False
    async with gui(backend) as screen:
        await screen.reads("does not answer", "Loading shipments")
        backend.trouble = None
        await screen.press("r")
        await screen.reads("BKG-100049", "● live")


async def test_an_answer_that_cannot_be_read_is_told_and_survived(gui: Open) -> None:
    backend = sample_backend(50)
    async with gui(backend) as screen:
        await screen.reads("BKG-100049")
        backend.trouble = Refused("The answer cannot be read.")
        await screen.press("r")
        await screen.reads("That did not work", "The answer cannot be read.")
        backend.trouble = None
        await screen.press("r")
        await eventually(lambda: backend.calls[-1] == "summary")
        await screen.reads("BKG-100049")


@pytest.mark.parametrize("key", ["q", "ctrl+c"])
@pytest.mark.parametrize("session", [True, False])
async def test_quit_works_while_the_network_hangs(gui: Open, *, key: str, session: bool) -> None:
    async with gui(_Hanging([], now=lambda: SAMPLE_NOW, session=session)) as screen:
        await screen.pilot.pause()
        await screen.press(key)
        await eventually(lambda: not screen.app.is_running)
        assert screen.app.return_code in {0, None}


async def test_an_answer_that_comes_while_its_screen_goes_harms_nothing(gui: Open) -> None:
    backend = _Hanging([], now=lambda: SAMPLE_NOW)
    async with gui(backend) as screen:
        await eventually(lambda: isinstance(screen.app.screen, BoardScreen))
        board = screen.app.screen
        asking = [worker for worker in screen.app.workers if worker.group in {"rows", "counts"}]
        assert asking
        await board.query("*").remove()
        backend.approved.set()  # what hangs is answered now
        await board.remove()
        assert {worker.state for worker in asking} == {WorkerState.CANCELLED}


async def test_keys_are_shown_on_a_question_mark(gui: Open) -> None:
    async with gui(sample_backend(5), size=(80, 24)) as screen:
        await screen.reads("● live")
        await screen.press("question_mark")
        await screen.reads("timeline of the shipment", "quit; the session is kept", "Esc closes")
        await screen.press("escape")
        await screen.reads_no_more("Esc closes")


async def test_commands_offer_sign_out(gui: Open) -> None:
    async with gui(sample_backend(5)) as screen:
        await screen.reads("● live")
        await screen.press("ctrl+p", *"sign")
        await screen.reads("Revoke the session and forget it")


class _Hanging(FakeBackend):
    """Services that take the connection and then say nothing."""

    def _call(self, name: str, *, session: bool = True) -> None:
        self.calls.append(name)

    async def shipments(self, *_: Any, **__: Any) -> Any:
        await self.approved.wait()

    summary = timeline = person = sign_in_by_device = shipments


async def test_errors_are_shown_as_they_are_and_never_as_markup(gui: Open) -> None:
    backend = sample_backend(5)
    async with gui(backend) as screen:
        await screen.reads("● live")
        backend.trouble = Refused("Odd [/b] [red")
        await screen.press("r")
        await screen.reads("Odd [/b] [red")
        backend.trouble = Away("Away [/b] [@click")
        await screen.press("r")
        await screen.reads("Away [/b] [@click")
