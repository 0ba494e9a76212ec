"""The authorization request: what may be asked.

Pure: no I/O, no clock of its own. `ORDER_OF_CHECKS` is the whole law of /authorize and /par on one screen.
"""

import re
from collections.abc import Callable, Collection
from datetime import datetime
from functools import cached_property
from typing import Final

import msgspec

from auth_svc.clients import Client
from auth_svc.code_flow.claims import Wishes, in_all, read_claims
from auth_svc.code_flow.request import AuthorizationRequest, WayBack
from auth_svc.errors import (
    InvalidRequest,
    InvalidScope,
    RegistrationNotSupported,
    RepeatedParameter,
    RequestUriNotSupported,
    UnauthorizedClient,
    UnmetAuthenticationRequirements,
    UnsupportedResponseType,
)
from auth_svc.protocol import AUTHORIZATION_CODE, OPENID, RESPONSE_MODES, prompts
from auth_svc.resources import Catalogue, Detail
from auth_svc.signin import ACR_VALUES
from auth_svc.token import narrow, parse_scope, requested_details
from auth_svc.wire import Form

_S256_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_THUMBPRINT: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_SECONDS: Final = re.compile(r"[0-9]{1,10}")


class Question(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """What the checks look at: the parameters, the client that they name, the resources that exist, the way in.

    Several checks ask for what is cached here; whichever comes first raises its error.
    """

    fields: Form
    client: Client
    back: WayBack
    resources: Catalogue
    pushed: bool = False
    """The client itself brought them to /par."""
    push_required: bool = False
    signed: bool = False
    """They stood in a request object."""
    accounts_open: bool = False
    """People may register here by themselves."""

    @cached_property
    def scope(self) -> tuple[str, ...]:
        """What was asked for, is known, and the client may have for these resources; in the order of the request.

        Raises:
            InvalidScope: it does not follow the grammar of RFC 6749 section 3.3.
        """
        asked = parse_scope(self.fields.get("scope"))
        return self.resources.within(narrow(asked, self.client.scopes), self.fields.resources)

    @cached_property
    def wishes(self) -> Wishes:
        """The parameter `claims`.

        Raises:
            InvalidRequest: it does not have the shape of OIDC Core section 5.5.
        """
        return read_claims(self.fields, self.client)

    @cached_property
    def details(self) -> tuple[Detail, ...]:
        """The parameter `authorization_details`.

        Raises:
            InvalidAuthorizationDetails: what RFC 9396 section 5 names.
        """
        return requested_details(
            self.fields.get("authorization_details"),
            self.client,
            self.resources,
            scope=self.scope,
            resources=self.fields.resources,
        )


# --- what may be asked ---------------------------------------------------------------------------------------------


def no_parameter_twice(question: Question) -> None:
    """OAuth 2.1 section 3.1; only `resource` may come again (RFC 8707 section 2)."""
    if question.fields.repeated:
        raise RepeatedParameter


def no_control_characters(question: Question) -> None:
    """RFC 6749 appendix A: no parameter may have them, and PostgreSQL could not keep a NUL."""
    if question.fields.has_control_characters:
        raise InvalidRequest("control characters in a parameter")


def pushed_where_that_is_required(question: Question) -> None:
    """RFC 9126 section 5, for all or for this client, and FAPI 2.0 section 5.3.2.2."""
    if question.push_required and not question.pushed:
        raise PushRequired


def signed_where_that_is_required(question: Question) -> None:
    """RFC 9101 section 10.5: `require_signed_request_object` of this client."""
    if question.client.require_signed_request_object and not question.signed:
        raise SignatureRequired


def fapi2_is_kept(question: Question) -> None:
    """FAPI 2.0 section 5.3.2.2, beside what holds for all: the redirect URI is told, and its way is encrypted.

    The one exception is a native client on loopback. Section 5.3.2.1: only clients that prove who they are.
    """
    if not question.client.fapi2:
        return
    if not question.client.confidential:
        raise UnauthorizedClient("public, under the rules of FAPI 2.0")
    if "redirect_uri" not in question.fields:
        raise InvalidRequest("no redirect_uri")
    if not question.back.redirect_uri.startswith(("https:", "http://127.0.0.1", "http://[::1]")):
        raise InvalidRequest("redirect_uri is not https")


def nothing_of_this_comes_by_reference(question: Question) -> None:
    """OIDC Core section 3.1.2.6: only what was pushed has a `request_uri` here, and it is not read by these checks."""
    if "request_uri" in question.fields:
        raise RequestUriNotSupported
    if "registration" in question.fields:
        raise RegistrationNotSupported


def response_type_is_code(question: Question) -> None:
    """OAuth 2.1 section 4.1.1; RFC 9700 section 2.1.2 rules out every type with an access token."""
    response_type = question.fields.get("response_type")
    if response_type is None:
        raise InvalidRequest("no response_type")
    if response_type != "code":
        raise UnsupportedResponseType


def response_mode_is_known(question: Question) -> None:
    """JARM section 2.3, Form Post Response Mode section 2. No form can be posted to a private-use scheme."""
    mode, _ = RESPONSE_MODES.get(question.fields.get("response_mode", "query"), (None, False))
    if mode is None or (mode == "form_post" and not question.back.redirect_uri.startswith(("https:", "http:"))):
        raise InvalidRequest("response_mode")


def client_uses_codes(question: Question) -> None:
    """OAuth 2.1 section 4.1.2.1: a client that was registered for other grants only is `unauthorized_client`."""
    if AUTHORIZATION_CODE not in question.client.grant_types:
        raise UnauthorizedClient


def pkce_is_s256(question: Question) -> None:
    """RFC 7636 section 4.3 and RFC 9700 section 2.1.1, for every client. An absent method means `plain`: refused."""
    if question.fields.get("code_challenge_method") != "S256":
        raise PkceRequired("code_challenge_method is not S256")
    if not _S256_CHALLENGE.fullmatch(question.fields.get("code_challenge", "")):
        raise PkceRequired("code_challenge is not the base64url of a SHA-256")


def scope_leaves_something(question: Question) -> None:
    """OAuth 2.1 section 3.3 (RFC 6749): there is no default scope; unknown ones are left out, and some must remain."""
    if not question.scope:
        raise InvalidScope


def prompt_makes_sense(question: Question) -> None:
    """OIDC Core section 3.1.2.1: known values, and `none` alone.

    `create` is known where people may register (Initiating User Registration section 4.1).
    """
    prompt = _prompt(question.fields)
    known = prompts(accounts_open=question.accounts_open)
    if not all(value in known for value in prompt) or ("none" in prompt and len(prompt) > 1):
        raise InvalidRequest("prompt")


def max_age_is_a_number(question: Question) -> None:
    """OIDC Core section 3.1.2.1: whole seconds, not negative."""
    if not _SECONDS.fullmatch(question.fields.get("max_age", "0")):
        raise InvalidRequest("max_age")


def claims_are_understood(question: Question) -> None:
    """OIDC Core section 5.5."""
    _ = question.wishes


def context_can_be_reached(question: Question) -> None:
    """RFC 9470 section 5: tokens that the resource server would refuse again make clients run in circles."""
    asked: Collection[str] = question.fields.get("acr_values", "").split()
    if not asked and not question.wishes.names_context:
        asked = question.client.default_acr_values
    for contexts in (asked or None, question.wishes.contexts):
        if contexts is not None and not set(contexts) & set(ACR_VALUES):
            raise UnmetAuthenticationRequirements


def resources_are_known(question: Question) -> None:
    """RFC 8707 section 2."""
    question.resources.check(question.fields.resources)


def scope_is_for_the_resources(question: Question) -> None:
    """RFC 8707 section 2.1: a code from which no token could come is none."""
    question.resources.audience(question.scope, question.fields.resources)


def details_are_of_their_types(question: Question) -> None:
    """RFC 9396 section 5: of known types, which the client is registered for and the scope's audience has."""
    _ = question.details


def dpop_jkt_is_a_thumbprint(question: Question) -> None:
    """RFC 9449 section 10: the base64url of a SHA-256."""
    if "dpop_jkt" in question.fields and not _THUMBPRINT.fullmatch(question.fields["dpop_jkt"]):
        raise InvalidRequest("dpop_jkt")


class PushRequired(InvalidRequest):
    """RFC 9126 section 5: this client must push its requests, or everybody must."""

    description = "Pushed authorization requests are required: send the parameters to the PAR endpoint."


class SignatureRequired(InvalidRequest):
    """RFC 9101 section 10.5: this client must sign its requests."""

    description = "Signed request objects are required of this client."


class RedirectNotRegistered(InvalidRequest):
    """The redirect URI is missing or not the client's. Only /par says so; /authorize shows a page."""

    description = "The redirect_uri is missing or not registered."


class TooLargeForTheBrowser(InvalidRequest):
    """The pages that follow could not carry this request in their addresses; RFC 9126 is there for it."""

    description = "The request is too large to travel through the browser: push it to the PAR endpoint."


class PkceRequired(InvalidRequest):
    """RFC 7636 section 4.4.1: the request lacks a challenge, or has one of the wrong kind."""

    description = "PKCE is required: send code_challenge with code_challenge_method S256."


ORDER_OF_CHECKS: Final[tuple[Callable[[Question], None], ...]] = (
    # Before these, in `reading`: the client is known, a request object is good, the redirect URI is the client's own.
    # At /authorize an unknown client and a wrong redirect URI are answered with a page; from here on the address is
    # good, and each error goes back to the client. At /par the client has proved who it is, and each error is JSON.
    no_parameter_twice,
    no_control_characters,
    pushed_where_that_is_required,
    signed_where_that_is_required,
    fapi2_is_kept,
    nothing_of_this_comes_by_reference,
    response_type_is_code,
    response_mode_is_known,
    client_uses_codes,
    pkce_is_s256,
    resources_are_known,
    scope_leaves_something,
    scope_is_for_the_resources,
    prompt_makes_sense,
    max_age_is_a_number,
    claims_are_understood,
    context_can_be_reached,
    details_are_of_their_types,
    dpop_jkt_is_a_thumbprint,
)


def authorization_request(question: Question, *, subject: str | None, id: str, now: datetime) -> AuthorizationRequest:
    """Check the request in the order of the table, and return it. `subject` is what an `id_token_hint` said.

    Raises:
        OAuthError: the first check that fails.
    """
    for check in ORDER_OF_CHECKS:
        check(question)
    fields, client, back = question.fields, question.client, question.back
    scope, wishes = question.scope, question.wishes
    return AuthorizationRequest(
        id=id,
        asked_at=now,
        **msgspec.structs.asdict(back),
        scope=scope,
        code_challenge=fields["code_challenge"],
        nonce=fields.get("nonce"),
        prompt=tuple(sorted(_prompt(fields))),
        max_age=int(fields["max_age"]) if "max_age" in fields else client.default_max_age,
        login_hint=fields.get("login_hint"),
        resource=fields.resources,
        dpop_jkt=fields.get("dpop_jkt"),
        subjects=in_all(None if subject is None else (subject,), wishes.subjects),
        claims=wishes.told if OPENID in scope else None,
        details=question.details,
    )


def _prompt(fields: Form) -> Collection[str]:
    text = fields.get("prompt")
    return set(text.split()) if text else ()
