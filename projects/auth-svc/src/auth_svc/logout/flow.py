"""What an application may ask for when its user signs out (RP-Initiated Logout 1.0). Pure."""

from collections.abc import Callable
from urllib.parse import quote

import msgspec

from auth_svc.clients import Client
from auth_svc.web import Fields

type FindClient = Callable[[str], Client | None]


class Hint(msgspec.Struct, frozen=True):
    """What counts of an ID token that comes back as `id_token_hint`. Whether it has expired does not (section 2)."""

    iss: str
    sub: str
    aud: str
    sid: str | None = None


class LogoutRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request that was found good. It travels sealed; the ID token itself is not in it."""

    client_id: str | None = None
    client_name: str | None = None
    onward: str | None = None
    """Where the browser goes afterwards: a registered address, with the state."""
    session_id: str | None = None
    """The sign-in that the application means, by the hint that it has; None: whichever there is, so the person is
    asked."""


class SignedOut(msgspec.Struct, frozen=True, kw_only=True):
    """A sign-in that has just ended, whose browser has pages of clients to load. It travels sealed."""

    session_id: str
    client_name: str | None
    onward: str | None


class LogoutRequestError(Exception):
    """A request that is not acted upon: nobody is redirected (section 4). The words are for the log."""


def logout_request(fields: Fields, *, hint: Hint | None, find: FindClient) -> LogoutRequest:
    """Check a request; `hint` is the verified one, None if there was none.

    Raises:
        LogoutRequestError: a parameter came twice, the client is unknown or another one than the hint's, or the way
            onward is not registered.
    """
    if fields.repeated or fields.has_control_characters:
        raise LogoutRequestError("a repeated parameter, or a control character")
    named = fields.get("client_id")
    if hint is not None and named is not None and named != hint.aud:
        raise LogoutRequestError("client_id is not the client that the hint was issued to")
    client_id = named or (hint.aud if hint is not None else None)
    client = None if client_id is None else find(client_id)
    if client_id is not None and client is None:
        raise LogoutRequestError("unknown client")
    return LogoutRequest(
        client_id=client_id,
        client_name=client.client_name if client is not None else None,
        onward=_onward(fields, client),
        session_id=hint.sid if hint is not None else None,
    )


def _onward(fields: Fields, client: Client | None) -> str | None:
    """The address to go to afterwards: one that is registered, character by character (section 3)."""
    uri, state = fields.get("post_logout_redirect_uri"), fields.get("state")
    if uri is None:
        return None
    if client is None or uri not in client.post_logout_redirect_uris:
        raise LogoutRequestError("post_logout_redirect_uri is not registered, or nobody said whose it is")
    if state is None:
        return uri
    return f"{uri}{'&' if '?' in uri else '?'}state={quote(state, safe='')}"
