"""What a client says about backchannel authentication (CIBA Core section 4): what is fit to register."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from auth_svc.clients.metadata import ClientMetadata
from auth_svc.clients.problem import Problem
from auth_svc.clients.redirects import redirect_uri_problem


def backchannel_problems(client: ClientMetadata) -> Iterable[Problem]:
    """Say what is wrong with it."""
    name = "backchannel_client_notification_endpoint"
    uri = client.backchannel_client_notification_endpoint
    if client.backchannel_token_delivery_mode in {"ping", "push"} and uri is None:
        yield Problem(name, f"ping and push need a {name}")
    if uri is not None:
        problem = redirect_uri_problem(uri)
        if problem is None and urlsplit(uri).scheme not in {"http", "https"}:
            problem = "it is not https"
        if problem is not None:
            yield Problem(name, f"{name} {uri[:200]!r}: {problem}")
    bound = client.dpop_bound_access_tokens or client.tls_client_certificate_bound_access_tokens or client.fapi2
    if client.backchannel_token_delivery_mode == "push" and bound:
        text = "tokens that are pushed cannot be bound to a key: use poll or ping"
        yield Problem("backchannel_token_delivery_mode", text)
    if client.backchannel_user_code_parameter:
        yield Problem("backchannel_user_code_parameter", "there are no user codes for backchannel authentication")
    if client.backchannel_authentication_request_signing_alg is not None:
        text = "there are no signed requests for backchannel authentication"
        yield Problem("backchannel_authentication_request_signing_alg", text)
