"""Signing in: the browser's session, the page to begin it, what a person has allowed, and the home page.

    flow      what a session, an errand and a limit are: rules without I/O
    store     sessions, remembered consents, limits on guessing
    browser   whose browser is this? - what the other pages ask
    beginning how a session begins, for whoever has seen who it is
    ending    how a session ends, for whoever ends it
    routes    /signin and /

A page that needs a signed-in person sends the browser to `Browser.sign_in` with an `Errand`: where to come back to.
"""

from auth_svc.signin.beginning import Sessions
from auth_svc.signin.browser import Browser
from auth_svc.signin.ending import end_session
from auth_svc.signin.flow import ACR_VALUES, NEW_ACCOUNTS, Errand, Limit, Session, SignedIn, acr_of, network_of
from auth_svc.signin.routes import SignInPages
from auth_svc.signin.store import (
    TooManyAttempts,
    consented_scopes,
    consents_of,
    forget_consents,
    forget_expired,
    give_back_attempt,
    is_live,
    remember_consent,
    session_with_id,
    take_attempt,
)

__all__ = [
    "ACR_VALUES",
    "NEW_ACCOUNTS",
    "Browser",
    "Errand",
    "Limit",
    "Session",
    "Sessions",
    "SignInPages",
    "SignedIn",
    "TooManyAttempts",
    "acr_of",
    "consented_scopes",
    "consents_of",
    "end_session",
    "forget_consents",
    "forget_expired",
    "give_back_attempt",
    "is_live",
    "network_of",
    "remember_consent",
    "session_with_id",
    "take_attempt",
]
