"""Which of the authorization details that were granted go into a token (RFC 9396 section 6)."""

import msgspec

from auth_svc.errors import InvalidAuthorizationDetails
from auth_svc.resources import parse_details
from auth_svc.token.grant import Authorized
from auth_svc.wire import Form


def choose_details(authorized: Authorized, form: Form) -> Authorized:
    """Narrow them to those that the token request names. The grant keeps them all, so a refresh may name others.

    Raises:
        InvalidAuthorizationDetails: malformed, or one that was not granted exactly like that.
    """
    text = form.get("authorization_details")
    if text is None:
        return authorized
    asked, granted = parse_details(text), authorized.terms.authorization_details
    if not all(detail in granted for detail in asked):
        raise InvalidAuthorizationDetails("wider than what was granted")
    return msgspec.structs.replace(authorized, details=tuple(detail for detail in granted if detail in asked))
