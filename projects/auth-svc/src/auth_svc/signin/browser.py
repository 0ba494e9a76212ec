"""Whose browser is this? What every page asks, and how a page sends somebody to sign in."""

from datetime import timedelta
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from auth_svc.db import Ledger
from auth_svc.secret_key import SecretKey
from auth_svc.signin import store
from auth_svc.signin.flow import HOME, Errand, SignedIn
from auth_svc.web import SESSION, PageProblem, Pages, Seal, SealBrokenError

_ERRAND_LIFE = timedelta(hours=1)


class Browser:
    """Finds the session that a request belongs to, and sends people to the sign-in page and back."""

    def __init__(self, ledger: Ledger, pages: Pages, secret_key: SecretKey) -> None:
        self._ledger = ledger
        self._pages = pages
        self._errands = Seal(secret_key.derive("page errand"), shape=Errand, life=_ERRAND_LIFE, now=ledger.now)

    def signed_in(self, request: Request) -> SignedIn | None:
        """The live session of this browser with its person; None if nobody is signed in."""
        secret = self._pages.cookie(request, SESSION)
        if secret is None:
            return None
        now = self._ledger.now()
        return self._ledger.database.lookup(lambda connection: store.find_session(connection, secret, now=now))

    def sign_in_path(self, errand: Errand) -> str:
        """The address of the sign-in page for this errand, or of the page to register if it begins with that."""
        return f"/{'register' if errand.create else 'signin'}?to={quote(self._errands.close(errand))}"

    def sign_in(self, errand: Errand) -> Response:
        """Send the browser to sign in first."""
        return self._pages.see(self.sign_in_path(errand))

    def errand(self, sealed: str | None) -> Errand:
        """The errand that came with a request; home if there is none.

        Raises:
            PageProblem: it was not sealed here, or too long ago.
        """
        if sealed is None:
            return HOME
        try:
            return self._errands.open(sealed)
        except SealBrokenError as error:
            raise PageProblem(
                400,
                "This sign-in has expired",
                "It was started too long ago, or its address was not copied whole. "
                "Go back to the application that you came from and start again.",
            ) from error
