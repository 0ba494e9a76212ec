"""Scope as it is written (RFC 6749 section 3.3) and how it is narrowed."""

from collections.abc import Collection
from functools import lru_cache

from auth_svc.errors import InvalidScope

_ALLOWED = frozenset(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"\\')


@lru_cache(maxsize=1024)
def parse_scope(text: str | None) -> tuple[str, ...]:
    """Take a `scope` parameter apart; nothing given is an empty tuple. A name given twice counts once.

    Raises:
        InvalidScope: a character that no scope has.
    """
    if text is None:
        return ()
    names = tuple(dict.fromkeys(name for name in text.split(" ") if name))
    for name in names:
        if not _ALLOWED.issuperset(name):
            raise InvalidScope
    return names


def narrow(requested: Collection[str], *allowed: Collection[str]) -> tuple[str, ...]:
    """Return what of `requested` is in every one of `allowed`, in the order of the request."""
    for names in allowed:
        requested = [name for name in requested if name in names]
    return tuple(requested)
