"""Where authorization requests are read: one place, whether they come by query, by form, pushed or signed."""

import msgspec

from auth_svc.clients import Client
from auth_svc.code_flow.flow import Question, RedirectNotRegistered, authorization_request
from auth_svc.code_flow.request import AuthorizationRequest, WayBack, way_back
from auth_svc.code_flow.request_object import RequestObjects
from auth_svc.errors import OAuthError
from auth_svc.keys import KeyRing, UnverifiedTokenError
from auth_svc.resources import Resources
from auth_svc.subjects import Subjects
from auth_svc.wire import Form
from lib_one.event import Now, new_id


class Refused(Exception):  # noqa: N818 - what is to be told, not what broke
    """A request that is refused: why, and where to say so."""

    def __init__(self, error: OAuthError, back: WayBack | None) -> None:
        super().__init__(str(error))
        self.error = error
        self.back = back
        """None: no address that anybody has vouched for."""


class _Hint(msgspec.Struct, frozen=True):
    iss: str
    sub: str


class RequestReader:
    """Makes an `AuthorizationRequest` of parameters, by the law of `flow`."""

    def __init__(
        self,
        keys: KeyRing,
        resources: Resources,
        subjects: Subjects,
        objects: RequestObjects,
        *,
        issuer: str,
        push_required: bool,
        accounts_open: bool,
        now: Now,
    ) -> None:
        """`push_required`: no client may send its request through the browser (RFC 9126 section 5). `accounts_open`:
        people may register by themselves.
        """
        self._keys = keys
        self._issuer = issuer
        self._resources = resources
        self._subjects = subjects
        self._objects = objects
        self._push_required = push_required
        self._accounts_open = accounts_open
        self._now = now
        self._decode_hint = msgspec.json.Decoder(_Hint).decode

    async def read(self, fields: Form, client: Client, *, pushed: bool) -> AuthorizationRequest:
        """Check what came and return the request.

        Raises:
            Refused: a request object that is not good, no redirect URI to answer to, or the first check that fails.
        """
        signed = "request" in fields
        back = way_back(fields, client)
        try:
            if signed:
                fields = await self._objects.open(fields, client)
                back = way_back(fields, client)
            if back is None:
                raise RedirectNotRegistered
            question = Question(
                fields=fields,
                client=client,
                back=back,
                resources=self._resources.catalogue,
                pushed=pushed,
                push_required=self._push_required or client.fapi2 or client.require_pushed_authorization_requests,
                signed=signed,
                accounts_open=self._accounts_open,
            )
            asked = authorization_request(question, subject=self._hinted(fields), id=new_id(), now=self._now())
        except OAuthError as error:
            raise Refused(error, back) from error
        return self._naming_people(asked, client)

    def _naming_people(self, asked: AuthorizationRequest, client: Client) -> AuthorizationRequest:
        """Whom the client means, by user id: it may know them by pairwise subjects."""
        if asked.subjects is None:
            return asked
        people = (self._subjects.person(client, subject) for subject in asked.subjects)
        return msgspec.structs.replace(asked, subjects=tuple(person for person in people if person is not None))

    def _hinted(self, fields: Form) -> str | None:
        """Whom an ID token of ours names, even an expired one (OIDC Core section 3.1.2.1); else nobody."""
        hint = fields.get("id_token_hint")
        if hint is None:
            return None
        try:
            claims = self._decode_hint(self._keys.verify(hint, typ="JWT"))
        except (UnverifiedTokenError, msgspec.DecodeError):
            return None
        return claims.sub if claims.iss == self._issuer else None
