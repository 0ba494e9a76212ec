"""Values that travel through a browser."""

from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth_svc.web import Seal, SealBrokenError
from lib_one.testing import Clock


class Note(msgspec.Struct, frozen=True):
    text: str


def seal(clock: Clock, key: bytes = b"k" * 32) -> Seal[Note]:
    return Seal(key, shape=Note, life=timedelta(minutes=1), now=clock)


@given(st.text())
def test_what_is_sealed_comes_back(text: str) -> None:
    clock = Clock()
    assert seal(clock).open(seal(clock).close(Note(text))) == Note(text)


@given(st.text())
def test_anything_else_is_broken(text: str) -> None:
    with pytest.raises(SealBrokenError):
        seal(Clock()).open(text)


def test_every_changed_character_breaks_it() -> None:
    clock = Clock()
    sealed = seal(clock).close(Note("to"))
    for at, letter in enumerate(sealed):
        changed = sealed[:at] + ("A" if letter != "A" else "B") + sealed[at + 1 :]
        with pytest.raises(SealBrokenError):
            seal(clock).open(changed)


def test_other_key_and_other_time_break_it() -> None:
    clock = Clock()
    sealed = seal(clock).close(Note("to"))
    with pytest.raises(SealBrokenError):
        seal(clock, b"x" * 32).open(sealed)
    clock.advance(timedelta(minutes=1))
    with pytest.raises(SealBrokenError):
        seal(clock).open(sealed)
