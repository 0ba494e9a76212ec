"""Two receivers of shared signals, and what a test needs to act as one."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import KeySet

from auth_svc import users
from auth_svc.signals.events import PUSH, SUPPORTED
from auth_svc.testing import SECRET, SEED, House
from lib_one.http import Response

RECEIVERS = [
    {
        "client_id": "intranet",
        "client_name": "Intranet",
        "secret": SECRET,
        "grant_types": ["client_credentials"],
        "scope": "ssf.read ssf.manage profile",
    },
    {
        "client_id": "partner",
        "client_name": "Partner",
        "secret": SECRET,
        "grant_types": ["client_credentials", "authorization_code"],
        "scope": "openid ssf.read ssf.manage",
        "redirect_uris": ["https://partner.example/cb"],
        "subject_type": "pairwise",
    },
]


@pytest.fixture
def folder(folder: Path) -> Path:
    """With the receivers."""
    (folder / "seed.json").write_text(json.dumps(SEED | {"clients": [*SEED["clients"], *RECEIVERS]}))
    return folder


@dataclass
class Receiver:
    """A receiver, by its client id."""

    house: House
    client_id: str
    stream_id: str = ""
    _tokens: dict[Any, str] = field(default_factory=dict)

    async def token(self, scope: str = "ssf.manage") -> str:
        known = scope, self.house.clock()
        if known not in self._tokens:
            self._tokens[known] = await self._fresh(scope)
        return self._tokens[known]

    async def _fresh(self, scope: str) -> str:
        form = {"grant_type": "client_credentials", "scope": scope}
        answer: str = (await self.house.post("/token", form, client=self.client_id)).json()["access_token"]
        return answer

    async def call(self, method: str, path: str, *, scope: str = "ssf.manage", **request: Any) -> Response:
        headers = {"authorization": f"Bearer {await self.token(scope)}"}
        return await self.house.http.request(method, f"/ssf/{path}", headers=headers, **request)

    async def stream(self, *, push_to: str | None = None, **more: Any) -> dict[str, Any]:
        """Make the stream, with every event."""
        body: dict[str, Any] = {"events_requested": SUPPORTED} | more
        if push_to is not None:
            body["delivery"] = {"method": PUSH, "endpoint_url": push_to} | more.get("delivery", {})
        answer = await self.call("POST", "streams", json=body)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        self.stream_id = made["stream_id"]
        return made

    async def poll(self, **body: Any) -> Any:
        answer = await self.call("POST", "poll", scope="ssf.read", json={"returnImmediately": True} | body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def waiting(self) -> list[dict[str, Any]]:
        """The claims of what waits, verified by the keys of the house, in order."""
        keys = KeySet.import_key_set((await self.house.http.get("/jwks")).json())
        found = []
        for signal_id, token in (await self.poll())["sets"].items():
            verified = jws.deserialize_compact(token.encode(), keys, algorithms=["RS256"])
            assert verified.headers()["typ"] == "secevent+jwt"
            claims = json.loads(verified.payload)
            assert claims["jti"] == signal_id
            found.append(claims)
        return found

    async def kinds(self) -> list[str]:
        """The last part of the type of each event that waits."""
        return [name.rpartition("/")[2] for claims in await self.waiting() for name in claims["events"]]


@pytest.fixture
def intranet(house: House) -> Receiver:
    """A receiver that knows people by their user ids."""
    return Receiver(house, "intranet")


@pytest.fixture
def partner(house: House) -> Receiver:
    """A receiver with names of its own for people."""
    return Receiver(house, "partner")


@pytest.fixture
def work(house: House) -> Callable[..., Any]:
    """Run a unit of work on Clara: `await work(lambda c, user: …)`."""

    async def run(verb: Callable[..., Any], username: str = "clara") -> users.User:
        def unit(connection: Any) -> users.User:
            user = users.find_by_username(connection, username)
            assert user is not None
            verb(connection, user)
            return user

        return await house.app.ledger.database.work(unit)

    return run


@pytest.fixture
def revoke(house: House, work: Callable[..., Any]) -> Callable[..., Any]:
    """End everything of Clara."""
    return lambda: work(lambda c, user: house.app.revocation.revoke_subject(c, user.user_id))
