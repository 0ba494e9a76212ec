"""Where authorization requests are read: one place, whether they come by query, by form or pushed."""

import msgspec

from auth_svc.clients import Client
from auth_svc.code_flow.flow import AuthorizationRequest, Question, WayBack, authorization_request
from auth_svc.keys import KeyRing, UnverifiedTokenError
from auth_svc.resources import Resources
from auth_svc.web import Fields
from auth_svc.wire import Form
from lib_one.event import Now, new_id


class _Hint(msgspec.Struct, frozen=True):
    iss: str
    sub: str


class RequestReader:
    """Makes an `AuthorizationRequest` of parameters, by the law of `flow`."""

    def __init__(self, keys: KeyRing, resources: Resources, *, issuer: str, push_required: bool, now: Now) -> None:
        """`push_required`: no client may send its request through the browser (RFC 9126 section 5)."""
        self._keys = keys
        self._issuer = issuer
        self._resources = resources
        self._push_required = push_required
        self._now = now
        self._decode_hint = msgspec.json.Decoder(_Hint).decode

    def read(self, fields: Fields, client: Client, back: WayBack, *, pushed: bool) -> AuthorizationRequest:
        """Check the parameters and return the request; `back` is the way back that they name.

        Raises:
            OAuthError: the first check that fails.
        """
        question = Question(
            fields=fields,
            client=client,
            back=back,
            resources=self._resources.catalogue,
            pushed=pushed,
            push_required=self._push_required or client.fapi2 or client.require_pushed_authorization_requests,
        )
        return authorization_request(question, subject=self._hinted(fields), id=new_id(), now=self._now())

    def _hinted(self, fields: Fields) -> str | None:
        """Whom an ID token of ours names, even an expired one (OIDC Core section 3.1.2.1); else nobody."""
        hint = fields.get("id_token_hint")
        if hint is None:
            return None
        try:
            claims = self._decode_hint(self._keys.verify(hint, typ="JWT"))
        except (UnverifiedTokenError, msgspec.DecodeError):
            return None
        return claims.sub if claims.iss == self._issuer else None


def fields_of(form: Form) -> Fields:
    """The parameters of a machine endpoint's form, as the law reads them."""
    single = [(name, value) for name, value in form.items() if name != "resource"]
    return Fields([*single, *(("resource", resource) for resource in form.resources)])
