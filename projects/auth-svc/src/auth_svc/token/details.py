"""Authorization details (RFC 9396): what a request may ask for, and which of them go into a token."""

from collections.abc import Collection

import msgspec

from auth_svc.clients import Client
from auth_svc.errors import InvalidAuthorizationDetails
from auth_svc.resources import Catalogue, Detail, parse_details
from auth_svc.token.grant import Authorized
from auth_svc.wire import Form


def requested_details(
    text: str | None,
    client: Client,
    catalogue: Catalogue,
    *,
    scope: Collection[str],
    resources: Collection[str],
) -> tuple[Detail, ...]:
    """The parameter `authorization_details` of a request that a grant begins with (sections 2 and 5).

    Raises:
        InvalidAuthorizationDetails: malformed, not of a type that the client is registered for and the scope's audience
            has, or not of its type.
    """
    if text is None:
        return ()
    details = parse_details(text)
    if not {detail["type"] for detail in details} <= set(client.authorization_details_types):
        raise InvalidAuthorizationDetails("a type that the client is not registered for")
    if details:
        catalogue.check_details(details, catalogue.audience(scope, resources))
    return details


def choose_details(authorized: Authorized, form: Form) -> Authorized:
    """Narrow them to those that the token request names (section 6). The grant keeps all, so a refresh may name others.

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
