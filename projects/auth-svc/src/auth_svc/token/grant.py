"""What a grant is to the token endpoint: it proves and consumes a right, and says what may be issued for it."""

from datetime import datetime
from typing import Any, Protocol

import msgspec

from auth_svc.clients import Client
from auth_svc.db import Connection
from auth_svc.errors import OAuthError
from auth_svc.grants import NO_TERMS, Confirmation, Terms
from auth_svc.users import User
from auth_svc.wire import Form


class Actor(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who acts for the subject: the claim `act` (RFC 8693 section 4.1). Only the outermost counts for access."""

    sub: str
    act: "Actor | None" = None


class Authorized(msgspec.Struct, frozen=True, kw_only=True):
    """A right was proved and consumed: this may be issued for it."""

    subject: str
    """A user id, or the client id for client credentials."""
    client_id: str
    scope: tuple[str, ...]
    """What is granted; never empty."""
    grant_id: str | None = None
    """The person's grant, from consent to revocation; None for client credentials."""
    session_id: str | None = None
    """Public id of the sign-in that the grant came from."""
    auth_time: datetime | None = None
    """When the person signed in, if that is known."""
    amr: tuple[str, ...] = ()
    """How, as in RFC 8176."""
    roles: tuple[str, ...] = ()
    person: User | None = None
    """The subject, as the grant read it in this unit of work; None: it read nobody."""
    nonce: str | None = None
    """To be repeated in the ID token of the first answer."""
    issue_refresh: bool = False
    """Whether a grant begins that can be refreshed (`offline_access` was granted and the client may)."""
    id_token: bool = False
    """Whether an ID token goes with it (`openid` was granted)."""
    resource: tuple[str, ...] = ()
    """The resources that the grant was limited to (RFC 8707); empty: no limit."""
    terms: Terms = NO_TERMS
    """What the grant says beyond that; it goes into its tokens and is kept with it."""
    details: tuple[dict[str, Any], ...] | None = None
    """Those of the authorization details in `terms` that go into this token (RFC 9396 section 6); None: all."""
    confirmation: Confirmation | None = None
    """The key that the access token is bound to."""
    bound: bool = False
    """Whether it must be bound to some key: what it is given for is (token exchange)."""
    actor: Actor | None = None
    """Who acts for the subject (token exchange)."""
    auth_req_id: str | None = None
    """For tokens that are pushed: the request that they answer, which the ID token then names (CIBA section 10.3.1)."""
    issued_token_type: str | None = None
    """For token exchange: what the answer calls the token (RFC 8693 section 2.2.1)."""
    not_after: datetime | None = None
    """When the access token expires at the latest; None: after the usual time."""
    refresh_token: str | None = None
    """For a refresh: the next refresh token, if there is one. With it, the grant goes on and does not begin here."""


class Refusal(msgspec.Struct, frozen=True):
    """Something happened, and the answer is still no: what was written stays, the caller gets the error."""

    error: OAuthError


type Outcome = Authorized | Refusal


class Grant(Protocol):
    """One `grant_type`. `app` gives the endpoint a table of them."""

    grant_type: str

    def authorize(self, connection: Connection, client: Client, form: Form, now: datetime) -> Outcome:
        """Prove and consume the right, inside the unit of work.

        May be run again from the start with a fresh transaction. Consume by one compare-and-swap statement.

        Raises:
            OAuthError: no, and nothing happened (what was written is undone).
        """
        ...
