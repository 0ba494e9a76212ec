"""What the FAPI 2.0 Security Profile asks of a client's registration; the endpoints ask the rest at each request."""

from collections.abc import Iterable

from auth_svc.clients.metadata import ClientMetadata
from auth_svc.clients.problem import Problem
from auth_svc.keys import FOREIGN_ALGORITHMS

_ALGORITHMS = (
    "token_endpoint_auth_signing_alg",
    "request_object_signing_alg",
    "authorization_signed_response_alg",
    "id_token_signed_response_alg",
    "userinfo_signed_response_alg",
    "introspection_signed_response_alg",
    "backchannel_authentication_request_signing_alg",
)


def fapi2_algorithms(names: Iterable[str]) -> list[str]:
    """Those of `names` that the profile allows (section 5.4.1), in their order: RS256 is not among them."""
    return [name for name in names if name in FOREIGN_ALGORITHMS]


def fapi2_problems(new: ClientMetadata) -> Iterable[Problem]:
    """What keeps this from being a client of the profile."""
    for name in _ALGORITHMS:
        algorithm = getattr(new, name)
        if algorithm is not None and algorithm not in FOREIGN_ALGORITHMS:
            yield Problem(name, f"{name} {algorithm!r} is not of FAPI 2.0 (section 5.4.1)")
