"""What an operator can end, in words, and who refuses it. Pure: no network, no Textual."""

import msgspec

from lib_two.admin import Guarded, Kind, Report

__all__ = ["ENDINGS", "WAIT", "Ending", "Guarded", "Kind", "Person", "Report", "ending", "own"]

WAIT = 5.0
"""Seconds in which the services that check tokens are to confirm."""


class Person(msgspec.Struct, frozen=True):
    """Who is signed in. `name` is for the screen."""

    name: str
    subject: str = ""
    username: str = ""


class Ending(msgspec.Struct, frozen=True):
    """One kind of thing to end: what it is called, what names it, and what ends with it."""

    kind: Kind
    label: str
    about: str
    """What it is, in half a line."""
    key: str
    """What to type to name it."""
    title: str
    """Of the thing, with the place for its id."""
    effect: str
    """What ends, plainly."""


ENDINGS = (
    Ending(
        Kind.SUBJECT,
        "Person",
        "everything that was issued for one person",
        "User name or sub",
        "all access of the person {}",
        "Every sign-in and every token of this person ends now, on all devices and in all applications. "
        "The person may sign in again.",
    ),
    Ending(
        Kind.CLIENT,
        "Application",
        "everything that one client holds, of everybody",
        "client_id",
        "all tokens of the application {}",
        "Every token that this application holds ends now, of everybody who uses it. The application stays "
        "registered, and people may sign in with it again.",
    ),
    Ending(
        Kind.SESSION,
        "Sign-in",
        "one sign-in in a browser and what came of it",
        "sid",
        "the sign-in {}",
        "This one sign-in ends now, with every token that came of it. Other sign-ins of the same person stay.",
    ),
    Ending(
        Kind.GRANT,
        "Grant",
        "what a person once let one application do",
        "grant_id",
        "the grant {}",
        "The refresh token of this grant and all of its access tokens end now. Nothing else does.",
    ),
    Ending(
        Kind.TOKEN,
        "Token",
        "a single access token",
        "jti",
        "the access token {}",
        "This one access token is refused from now on. A refresh token beside it can still get a new one.",
    ),
)


def ending(kind: Kind) -> Ending:
    """The words for a kind."""
    return next(one for one in ENDINGS if one.kind is kind)


def own(kind: Kind, id_: str, *, person: Person, client_id: str) -> bool:
    """Whether this is known to end the session of whoever asks for it."""
    if kind is Kind.CLIENT:
        return id_ == client_id
    return kind is Kind.SUBJECT and id_.casefold() in {person.subject.casefold(), person.username.casefold()} - {""}
