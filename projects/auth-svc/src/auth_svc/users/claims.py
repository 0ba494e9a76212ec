"""What is told about a person: the claims of OIDC Core section 5.1 that exist here, by scope."""

from collections.abc import Collection, Iterable
from typing import Final

from auth_svc.users.store import User

CLAIMS: Final[dict[str, tuple[str, ...]]] = {
    "profile": ("name", "preferred_username", "updated_at", "roles"),
    "email": ("email", "email_verified"),
}
"""By scope (OIDC Core section 5.4)."""

_SCOPE_OF: Final = {name: scope for scope, names in CLAIMS.items() for name in names}


def claims_of_scopes(scopes: Collection[str]) -> tuple[str, ...]:
    """The claims that these scopes stand for."""
    return tuple(name for scope, names in CLAIMS.items() if scope in scopes for name in names)


def scopes_of_claims(claims: Iterable[str]) -> tuple[str, ...]:
    """The scopes that tell these claims; those that are no claims about a person are left out."""
    return tuple(dict.fromkeys(_SCOPE_OF[name] for name in claims if name in _SCOPE_OF))


def claims_about(user: User, names: Collection[str]) -> dict[str, object]:
    """Those of `names` that are known of this person."""
    known: dict[str, object] = {
        "name": user.name,
        "preferred_username": user.username,
        "updated_at": int(user.updated_at.timestamp()),
        "roles": list(user.roles),
        "email": user.email,
        "email_verified": False,  # nobody proved to us that mail sent there arrives
    }
    return {name: value for name, value in known.items() if name in names}
