"""Revocation by an operator: who is offered it, what is asked, and what is shown of how far it has come."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from gui_proj.backend import Away, Refused
from gui_proj.revocation import Guarded, Kind
from gui_proj.screens.sign_in import SignInScreen
from gui_proj.testing import FakeBackend, sample_backend

type Open = Callable[..., AbstractAsyncContextManager[Any]]

THERE = Guarded("app-svc", "0195a3c0-0000-7000-8000-00000000a001", "0.4.0", 4.31)
DEAF = Guarded("reports", "0195a3c0-0000-7000-8000-00000000b002", "1.2.0", None)


@pytest.fixture
def backend() -> FakeBackend:
    backend = sample_backend(5)
    backend.operator, backend.guards = True, (THERE,)
    return backend


async def choose(screen: Any, *keys: str) -> None:
    await screen.press("x")
    await screen.reads("What is to end?", "User name or sub")
    await screen.press(*keys)


async def test_only_operators_are_offered_it(gui: Open, backend: FakeBackend) -> None:
    async with gui(backend, size=(80, 24)) as screen:
        await screen.reads("● live", "x Revoke", "q Quit")
    backend.operator = False
    async with gui(backend, size=(80, 24)) as screen:
        text = await screen.reads("● live", "Erin Employee")
        assert "Revoke" not in text
        assert "Revoke" not in {command.title for command in screen.app.get_system_commands(screen.app.screen)}
        await screen.press("x")
        await screen.reads_no_more("What is to end?")


async def test_it_is_chosen_named_confirmed_and_watched(gui: Open, backend: FakeBackend) -> None:
    backend.guards = (THERE, DEAF)
    backend.confirmed.clear()
    async with gui(backend, size=(80, 24)) as screen:
        await screen.reads("x Revoke")
        await choose(screen, "enter")
        await screen.reads("Type the user name or sub first.")
        await screen.press("down", *"reports-ui", "enter")
        await screen.reads("Revoke all tokens of the application reports-ui?", "of everybody", "y  Revoke")
        await screen.press("enter")  # pressed twice
        assert backend.ended == []
        await screen.press("y")
        await screen.reads("Asking which services")
        assert backend.ended == [(Kind.CLIENT, "reports-ui")]
        backend.confirmed.set()
        text = await screen.reads("Revoked: all tokens of the application reports-ui.", "1 of 2 did not confirm it")
        lines = {line.split()[1]: line.split()[-2:] for line in text.splitlines() if "0.4.0" in line or "1.2.0" in line}
        assert lines == {"app-svc": ["4.3", "ms"], "reports": ["not", "answered"]}
        await screen.press("escape")
        text = await screen.reads("What is to end?")
        assert "reports-ui" not in text
        await screen.press("escape")
        await screen.reads("BKG-100004")


async def test_each_service_has_one_line_also_when_the_terminal_gets_narrower(gui: Open, backend: FakeBackend) -> None:
    async with gui(backend, size=(120, 24)) as screen:
        await screen.reads("x Revoke")
        await choose(screen, *"dan", "enter")
        await screen.reads("y  Revoke")
        await screen.press("y")
        await screen.reads("4.3 ms")
        await screen.pilot.resize_terminal(80, 24)
        text = await screen.reads("…")
        (line,) = [line for line in text.splitlines() if "app-svc" in line]
        assert line.split()[-2:] == ["4.3", "ms"]


async def test_its_key_is_a_letter_in_the_search_box(gui: Open, backend: FakeBackend) -> None:
    async with gui(backend) as screen:
        await screen.reads("x Revoke")
        await screen.press("slash", "x")
        await screen.reads("match “x”")
        assert "What is to end?" not in screen.text


async def test_no_is_no(gui: Open, backend: FakeBackend) -> None:
    async with gui(backend) as screen:
        await screen.reads("x Revoke")
        await screen.press("ctrl+p", *"revoke")
        await screen.reads("End what was issued")
        await screen.press("enter")
        await screen.reads("What is to end?")
        await screen.press("up", *"some-jti", "enter")
        await screen.reads("Revoke the access token some-jti?")
        await screen.press("escape")
        await screen.reads_no_more("y  Revoke")
        assert "some-jti" in screen.text
        assert backend.ended == []


async def test_own_session_ends_after_the_answer_was_seen(gui: Open, backend: FakeBackend) -> None:
    async with gui(backend) as screen:
        await screen.reads("x Revoke", "Erin Employee")
        await choose(screen, *"Erin", "enter")
        await screen.reads("This ends your own session here as well.")
        await screen.press("y")
        await screen.reads(
            "4.3 ms", "✓ The service refuses it.", "▲ Your session has ended", "esc Sign in", "○ signed out"
        )
        await screen.press("escape")
        await screen.reads("Your session has ended", "Waiting for you")
        assert isinstance(screen.app.screen, SignInScreen)


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (Refused("Nothing here has this identifier."), "Nothing was revoked: Nothing here has this identifier."),
        (Away("The sign-in service does not answer."), "Whether it was revoked is not known: revoke it again."),
    ],
)
async def test_what_goes_wrong_is_said(gui: Open, backend: FakeBackend, trouble: Exception, words: str) -> None:
    async with gui(backend) as screen:
        await screen.reads("x Revoke", "Erin Employee", "BKG-100004")
        await choose(screen, *"nobody", "enter")
        await screen.reads("Revoke all access of the person nobody?")
        backend.trouble = trouble
        await screen.press("y")
        await screen.reads(words)
        backend.trouble = None
        await screen.press("escape")
        await screen.reads("What is to end?")


async def test_session_that_was_over_before_leads_to_the_sign_in(gui: Open, backend: FakeBackend) -> None:
    async with gui(backend) as screen:
        await screen.reads("x Revoke")
        await choose(screen, *"dan", "enter")
        await screen.reads("Revoke all access of the person dan?")
        backend.session = False
        await screen.press("y")
        await screen.reads("Your session has ended", "Waiting for you")


@pytest.mark.parametrize(
    ("guards", "words"),
    [(None, "The bus did not tell of it in time"), ((), "No service that checks tokens is on the bus.")],
)
async def test_what_is_not_known_is_said(gui: Open, backend: FakeBackend, guards: Any, words: str) -> None:
    backend.guards = guards
    async with gui(backend) as screen:
        await screen.reads("x Revoke")
        await choose(screen, *"dan", "enter")
        await screen.reads("Revoke all access of the person dan?")
        await screen.press("y")
        await screen.reads("Revoked: all access of the person dan.", words)


async def test_what_services_say_never_steers_the_screen(gui: Open, backend: FakeBackend) -> None:
    backend.guards = (Guarded("odd [/b]\x1b[2J", "[red]", "\x07", 1.0),)
    async with gui(backend) as screen:
        await screen.reads("x Revoke")
        await choose(screen, *"[b", "enter")
        await screen.reads("Revoke all access of the person [b?")
        await screen.press("y")
        await screen.reads("person [b.", "odd [/b] [2J", "[red]")
