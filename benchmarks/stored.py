"""Rows put straight into auth-svc's database while it runs: what would take real people days to bring about."""

import asyncio
import hashlib
from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import partial
from itertools import batched
from typing import Any

from auth_svc import grants
from auth_svc.code_flow import store as codes
from auth_svc.code_flow.code import Code
from auth_svc.db import Connection
from auth_svc.grants.store import grants as grant_table
from auth_svc.grants.store import refresh_tokens
from auth_svc.keys.jose import encode64
from auth_svc.secret_key import new_token, token_hash
from auth_svc.signin import store as signin
from auth_svc.signin.flow import Session
from auth_svc.users import store as users
from benchmarks.running import CLIENT, REDIRECT_URI, SCOPE, Bench
from lib_one.event import new_id, utc_now
from lib_one.sql import open_database

VERIFIER = "v" * 43
"""The one behind every code."""
_CHALLENGE = encode64(hashlib.sha256(VERIFIER.encode()).digest()).decode()
_CHUNK = 10_000
"""Rows in a unit of work."""


def grant_tokens(bench: Bench, count: int, *, life: timedelta = timedelta(days=14)) -> list[str]:
    """Refresh tokens of so many new grants, never used, each as long-lived as its grant."""
    now = utc_now()
    grant = {
        "user_id": _person(bench).user_id,
        "client_id": CLIENT,
        "session_id": new_id(),
        "scope": f"offline_access {SCOPE}",
        "resource": "",
        "auth_time": now,
        "amr": "pwd",
        "terms": grants.to_text(grants.NO_TERMS),
        "created_at": now,
        "expires_at": now + life,
    }
    tokens = [new_token() for _ in range(count)]
    # In the order of their hashes: a million rows in any other order would take minutes.
    hashes = sorted((token_hash(token), new_id()) for token in tokens)

    def unit(chunk: tuple[tuple[bytes, str], ...], connection: Connection) -> None:
        connection.execute(grant_table.insert(), [grant | {"grant_id": grant_id} for _, grant_id in chunk])
        times: dict[str, Any] = {"renewed_at": now, "expires_at": now + life}
        rows = [times | {"token_hash": hashed, "grant_id": grant_id} for hashed, grant_id in chunk]
        connection.execute(refresh_tokens.insert(), rows)

    _run(bench, (partial(unit, chunk) for chunk in batched(hashes, _CHUNK, strict=False)))
    return tokens


def live_codes(bench: Bench, count: int) -> list[str]:
    """So many authorization codes of one sign-in, with everything to come: a grant, a refresh token, an ID token."""
    now = utc_now()
    person = _person(bench)
    session = Session(
        session_id=new_id(), user_id=person.user_id, auth_time=now, amr=("pwd",), expires_at=now + timedelta(hours=1)
    )
    secrets = [new_token() for _ in range(count)]

    def unit(chunk: tuple[str, ...], connection: Connection) -> None:
        for secret in chunk:
            code = Code(
                client_id=CLIENT,
                redirect_uri=REDIRECT_URI,
                code_challenge=_CHALLENGE,
                user_id=person.user_id,
                session_id=session.session_id,
                grant_id=new_id(),
                auth_time=now,
                amr=session.amr,
                scope=("openid", "offline_access", *SCOPE.split()),
                nonce=None,
                resource=(),
                terms=grants.NO_TERMS,
                expires_at=now + timedelta(minutes=10),
            )
            codes.keep(connection, code, secret=secret)

    _run(bench, [lambda connection: signin.start_session(connection, session, secret=new_token())])
    _run(bench, (partial(unit, chunk) for chunk in batched(secrets, _CHUNK, strict=False)))
    return secrets


def _person(bench: Bench) -> users.User:
    """Somebody who may do all of it."""
    found: list[users.User] = []
    _run(bench, [lambda connection: found.extend(users.everyone(connection))])
    return next(user for user in found if "clerk" in user.roles)


def _run(bench: Bench, units: Iterable[Callable[[Connection], None]]) -> None:
    async def all_of_them() -> None:
        database = open_database(f"sqlite:///{bench.system.data / 'auth.db'}")
        try:
            for unit in units:
                await database.work(unit)
        finally:
            await database.close()

    asyncio.run(all_of_them())
