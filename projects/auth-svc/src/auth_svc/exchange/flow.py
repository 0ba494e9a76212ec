"""Who may act for whom by which token, and what is left of it (RFC 8693). Pure.

What comes out is never more than what went in: its scope, its audience and its life are those of the subject token or
less, and it ends with whatever ends that one's grant, sign-in or person.
"""

from collections.abc import Collection
from typing import Final

from auth_svc.clients import Client
from auth_svc.errors import InvalidScope, InvalidTarget, UnacceptableToken
from auth_svc.protocol import OFFLINE_ACCESS
from auth_svc.token import AccessClaims, Actor, narrow

LONGEST_CHAIN: Final = 8
"""Actors behind each other. Each makes the token longer, and no honest call goes through more services."""


def may_use(claims: AccessClaims, client: Client) -> bool:
    """Whether a client may exchange a token.

    It is the client's own, it was sent to the resource server that the client stands for, or it names the client as
    the one who may act.
    """
    if claims.client_id == client.client_id or client.resource in claims.audiences:
        return True
    return claims.may_act is not None and claims.may_act.sub == client.client_id


def acting(subject: AccessClaims, actor: AccessClaims | None, client: Client) -> Actor | None:
    """Who acts for the subject from now on: the claim `act`, with those who acted before inside (section 4.1).

    Without an actor token it is the client that asks. A client that may impersonate leaves no trace of its own, but
    the actors before it stay.

    Raises:
        UnacceptableToken: `may_act` names somebody else, the actor acts for another itself or is the subject, or the
            chain is too long.
    """
    if actor is not None and actor.act is not None:
        raise UnacceptableToken("an actor that acts for somebody else")
    name = client.client_id if actor is None else actor.sub
    if name == subject.sub and name != client.client_id:
        # Whoever was sent a token could show it as both, and leave no trace.
        raise UnacceptableToken("the subject as its own actor")
    if subject.may_act is not None and subject.may_act.sub != name:
        raise UnacceptableToken(f"may_act names another one than {name}")
    if name == subject.sub or (actor is None and client.may_impersonate):
        return subject.act
    chain, before = 1, subject.act
    while before is not None:
        chain, before = chain + 1, before.act
    if chain > LONGEST_CHAIN:
        raise UnacceptableToken("too many actors")
    return Actor(name, subject.act)


def narrowed_scope(subject: AccessClaims, asked: Collection[str], *allowed: Collection[str]) -> tuple[str, ...]:
    """The scope that is left: what was asked for, or all, as far as every one of `allowed` has it.

    Raises:
        InvalidScope: wider than the subject token, or nothing is left.
    """
    if not subject.scopes.issuperset(asked):
        raise InvalidScope("wider than the subject token")
    scope = narrow(asked or subject.scope.split(), *allowed)
    scope = tuple(name for name in scope if name != OFFLINE_ACCESS)
    if not scope:
        raise InvalidScope("nothing is left of the subject token")
    return scope


def narrowed_audience(subject: AccessClaims, resources: tuple[str, ...], audience: str | None) -> tuple[str, ...]:
    """The audience that is left: what was asked for, or all.

    Raises:
        InvalidTarget: wider than the subject token, or `resource` and `audience` disagree.
    """
    if audience is not None and resources and audience not in resources:
        raise InvalidTarget("resource and audience name different targets")
    asked = resources or (() if audience is None else (audience,))
    if not set(asked) <= set(subject.audiences):
        raise InvalidTarget("wider than the subject token")
    return asked or subject.audiences
