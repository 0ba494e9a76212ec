"""The parameter `claims` (OIDC Core section 5.5): what a client wants to be told, and of whom. Pure."""

from dataclasses import dataclass
from typing import Any

import msgspec

from auth_svc.clients import Client
from auth_svc.errors import InvalidRequest
from auth_svc.grants import ClaimsRequest
from auth_svc.users import scopes_of_claims
from auth_svc.wire import Form


class _Wish(msgspec.Struct, frozen=True):
    """What is said about one claim (section 5.5.1). Members with another name are ignored."""

    essential: bool = False
    value: Any = None
    values: list[Any] | None = None

    @property
    def choices(self) -> tuple[str, ...] | None:
        """The values that are good enough; None: any."""
        if self.values is None and self.value is None:
            return None
        wanted = [*(self.values or ()), *(() if self.value is None else (self.value,))]
        return tuple(dict.fromkeys(value for value in wanted if isinstance(value, str)))


class _Parameter(msgspec.Struct, frozen=True):
    userinfo: dict[str, _Wish | None] | None = None
    id_token: dict[str, _Wish | None] | None = None


_decode = msgspec.json.Decoder(_Parameter).decode


@dataclass(frozen=True)
class Wishes:
    """The parameter, understood."""

    told: ClaimsRequest | None = None
    """Claims about the person beyond those of the scope."""
    subjects: tuple[str, ...] | None = None
    """The only people who may answer; None: anybody. Another one is no success (section 5.5.1)."""
    contexts: tuple[str, ...] | None = None
    """The authentication contexts one of which must be reached (section 5.5.1.1); None: any."""
    names_context: bool = False
    """Whether it says anything about `acr`, which takes the place of the client's default."""


NO_WISHES = Wishes()


def read_claims(fields: Form, client: Client) -> Wishes:
    """Understand the parameter `claims`.

    A claim that does not exist here, or that the client's own scope could never tell it, is left out: an essential
    claim that is absent is not an error (section 5.5.1). A voluntary `acr` is a preference only.

    Raises:
        InvalidRequest: it does not have the shape of section 5.5.
    """
    text = fields.get("claims")
    if text is None:
        return NO_WISHES
    try:
        parameter = _decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidRequest("claims") from error
    userinfo, id_token = parameter.userinfo or {}, parameter.id_token or {}
    told = ClaimsRequest(userinfo=_tellable(userinfo, client), id_token=_tellable(id_token, client))
    context = id_token.get("acr")
    return Wishes(
        told=told if told.userinfo or told.id_token else None,
        subjects=in_all(*(wish.choices for wish in (userinfo.get("sub"), id_token.get("sub")) if wish is not None)),
        contexts=context.choices if context is not None and context.essential else None,
        names_context="acr" in id_token,
    )


def in_all(*choices: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """What all of them leave; None: anything."""
    left: tuple[str, ...] | None = None
    for some in choices:
        if some is not None:
            left = some if left is None else tuple(name for name in left if name in some)
    return left


def _tellable(wishes: dict[str, _Wish | None], client: Client) -> tuple[str, ...]:
    return tuple(name for name in wishes if set(scopes_of_claims([name])) & set(client.scopes))
