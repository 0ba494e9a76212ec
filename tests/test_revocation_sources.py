"""Everything that ends access tokens, from the button, the endpoint or the command to the guard that refuses."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from auth_svc import keys
from auth_svc.__main__ import application
from auth_svc.testing import (
    PASSWORD,
    RESOURCE,
    SECRET,
    SEED,
    House,
    PageForm,
    Person,
    browsing,
    running_house,
    settings_in,
)
from lib_one.event import Event, utc_now
from lib_one.testing import Clock, eventually
from lib_two.errors import InvalidToken
from lib_two.guard import Guard
from lib_two.metadata import IssuerMetadata
from lib_two.revocation import RevocationView, State
from lib_two.testing import QuietFeed

SCOPE = "openid offline_access shipments:read"
WATCH = {
    "client_id": "watch",
    "client_name": "Security desk",
    "secret": SECRET,
    "grant_types": ["client_credentials"],
    "scope": "global_token_revocation",
}


class Scene:
    """auth-svc, somebody with a browser, the operator's command line, and a guard that hears what the bus hears."""

    def __init__(self, house: House, person: Person) -> None:
        self.house, self.person = house, person
        self.tokens: dict[str, Any] = {}
        """What cli-proj got for Clara before the revocation."""
        # It stays fresh once it is: what this is about is the way of a revocation, not of the heartbeats.
        self.view = RevocationView(now=house.clock, monotonic=lambda: 0.0)
        self.view.follow(QuietFeed(), lambda: True)
        self.guard = Guard(
            issuer=house.issuer,
            audience=RESOURCE,
            view=self.view,
            http=house.http,
            client_id="app-svc",
            client_secret=SECRET,
            now=house.clock,
            metadata=IssuerMetadata(
                house.issuer, house.http, now=house.clock, monotonic=lambda: house.clock().timestamp()
            ),
        )

    async def hold(self, tokens: dict[str, Any]) -> None:
        """These are the ones, and they are good."""
        self.tokens = tokens
        await self.guard.check(tokens["access_token"])

    async def sign_in(self) -> str:
        """Clara signs in for cli-proj, in her browser. Returns the code, which is redeemed."""
        code = await self.person.code("clara", scope=SCOPE)
        await self.hold((await self.person.redeem(code)).json())
        return code

    async def post(self, path: str, **form: str) -> None:
        """As cli-proj."""
        await self.house.post(path, {"client_id": "cli-proj"} | form)

    async def operate(self, *arguments: str, stdin: str = "") -> None:
        """As the operator, in a process of one's own as it were."""
        done = await asyncio.to_thread(CliRunner().invoke, application, arguments, input=stdin)
        assert done.exit_code == 0, done.output

    async def told(self, kind: str) -> None:
        """Give the guard what is in the stream of revocations, once a fact of this kind is."""
        await self._hear(lambda stored: any(type(event.data).__name__ == kind for event in stored))

    async def beaten(self) -> None:
        """Give the guard what is in the stream until it trusts that; a first heartbeat vouches for nothing."""
        await self._hear(lambda _: self.view.state() is State.FRESH)

    async def _hear(self, enough: Callable[[list[Event]], bool]) -> None:
        applied = 0

        def all_of_it() -> bool:
            nonlocal applied
            stored = self.house.bus.stored("REV")
            for event in stored[applied:]:
                applied += 1
                self.view.apply(event, applied)
            return enough(stored)

        await eventually(all_of_it)


type Step = Callable[[Scene], Awaitable[object]]


async def give_back_access(scene: Scene) -> None:
    await scene.post("/revoke", token=scene.tokens["access_token"])


async def give_back_refresh(scene: Scene) -> None:
    await scene.post("/revoke", token=scene.tokens["refresh_token"])


async def refresh_twice(scene: Scene) -> None:
    for _ in range(2):
        await scene.post("/token", grant_type="refresh_token", refresh_token=scene.tokens["refresh_token"])


async def redeem_twice(scene: Scene) -> None:
    await scene.person.redeem(await scene.sign_in())


async def sign_out(scene: Scene) -> None:
    await scene.sign_in()
    await scene.person.sign_out()


async def log_out_by_the_application(scene: Scene) -> None:
    await scene.sign_in()
    await scene.person.go("/logout", id_token_hint=scene.tokens["id_token"])


async def revoke_globally(scene: Scene) -> None:
    form = {"grant_type": "client_credentials", "scope": "global_token_revocation"}
    token = (await scene.house.post("/token", form, client="watch")).json()["access_token"]
    subject = scene.house.claims(scene.tokens["access_token"])["sub"]
    body = {"sub_id": {"format": "opaque", "id": subject}}
    headers = {"authorization": f"Bearer {token}"}
    answer = await scene.house.http.post("/global-token-revocation", json=body, headers=headers)
    assert answer.status_code == 204


async def withdraw_consent(scene: Scene) -> None:
    await scene.sign_in()
    page = await scene.person.go("/consents")
    form = {"csrf": PageForm(page.text).fields["csrf"], "client_id": "cli-proj"}
    await scene.person.http.post("/consents", data=form)


async def delete_registration(scene: Scene) -> None:
    registered = {"client_name": "Own", "redirect_uris": ["http://127.0.0.1/cb"], "token_endpoint_auth_method": "none"}
    made = (await scene.house.http.post("/client_registration", json=registered)).json()
    await scene.hold(await scene.house.tokens("clara", client=made["client_id"], scope="shipments:read"))
    headers = {"authorization": f"Bearer {made['registration_access_token']}"}
    await scene.house.http.delete(made["registration_client_uri"], headers=headers)


async def delete_client(scene: Scene) -> None:
    """Another one than Clara's, since nothing brings it back."""
    form = {"grant_type": "client_credentials"}
    await scene.hold((await scene.house.post("/token", form, client="simulator")).json())
    await scene.operate("clients", "delete", "simulator")


async def distrust_key(scene: Scene) -> None:
    (signing,) = [
        life.key.key_id
        for life in keys.lives(await scene.house.app.ledger.database.read(keys.everything), scene.house.clock())
        if life.phase is keys.Phase.SIGNING and life.key.algorithm == "ES256"
    ]
    await scene.operate("keys", "distrust", signing)
    await scene.house.app.keys.reload()


def command(*arguments: str, stdin: str = "") -> Step:
    return lambda scene: scene.operate(*arguments, stdin=stdin)


SOURCES: dict[str, tuple[Step, str, Step | None]] = {
    # What is done; what the bus hears of it; what must be done before a new sign-in is possible.
    "access token given back": (give_back_access, "TokenRevoked", None),
    "refresh token given back": (give_back_refresh, "GrantRevoked", None),
    "refresh token used twice": (refresh_twice, "GrantRevoked", None),
    "code used twice": (redeem_twice, "GrantRevoked", None),
    "sign-out": (sign_out, "SessionRevoked", None),
    "logout by the application": (log_out_by_the_application, "SessionRevoked", None),
    "global revocation": (revoke_globally, "SubjectRevoked", None),
    "consent withdrawn": (withdraw_consent, "GrantRevoked", None),
    "registration deleted": (delete_registration, "ClientRevoked", None),
    "user disabled": (command("users", "disable", "clara"), "SubjectRevoked", command("users", "enable", "clara")),
    "user deleted": (
        command("users", "delete", "clara"),
        "SubjectRevoked",
        command("users", "add", "clara", "--name", "Another Clara", "--role", "clerk", stdin=PASSWORD + "\n"),
    ),
    "user revoked": (command("users", "revoke", "clara"), "SubjectRevoked", None),
    "password changed": (command("users", "password", "clara", stdin=PASSWORD + "\n"), "SubjectRevoked", None),
    "roles changed": (command("users", "roles", "clara", "--role", "clerk"), "SubjectRevoked", None),
    "client disabled": (
        command("clients", "disable", "cli-proj"),
        "ClientRevoked",
        command("clients", "enable", "cli-proj"),
    ),
    "client deleted": (delete_client, "ClientRevoked", None),
    "client revoked": (command("clients", "revoke", "cli-proj"), "ClientRevoked", None),
    "key distrusted": (distrust_key, "KeyDistrusted", None),
}


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where auth-svc has run once."""
    folder = tmp_path_factory.mktemp("grown")
    (folder / "seed.json").write_text(json.dumps(SEED | {"clients": [*SEED["clients"], WATCH]}))

    async def grow() -> None:
        async with running_house(settings_in(folder), Clock(utc_now())):
            pass

    asyncio.run(grow())
    return folder


@pytest.fixture
async def scene(grown: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    settings = settings_in(Path(shutil.copytree(grown, tmp_path / "data")), registration="open", seed_file=None)
    for name in ("database_url", "secret_key_file"):
        monkeypatch.setenv(f"AUTH_SVC_{name.upper()}", str(getattr(settings, name)))
    # Commands go by the clock of the machine, so the house starts with that time.
    async with running_house(settings, Clock(utc_now())) as house, browsing(house) as person:
        yield Scene(house, person)


@pytest.mark.parametrize("source", SOURCES)
async def test_what_was_issued_before_is_refused_and_what_is_issued_after_is_not(scene: Scene, source: str) -> None:
    end, kind, reopen = SOURCES[source]
    await scene.beaten()
    await scene.hold(await scene.house.tokens("clara"))

    await end(scene)
    await scene.told(kind)
    with pytest.raises(InvalidToken, match="revoked"):
        await scene.guard.check(scene.tokens["access_token"])

    if reopen is not None:
        await reopen(scene)
    scene.house.clock.time = max(scene.house.clock(), utc_now()) + timedelta(minutes=1)
    await scene.hold(await scene.house.tokens("clara"))
    assert scene.guard.status()["checks"]["introspected"] == 0


async def test_what_another_process_issues_to_a_client_before_it_sees_that_it_is_disabled_is_refused(
    scene: Scene,
) -> None:
    house, form = scene.house, {"grant_type": "client_credentials"}
    house.clock.time = house.clock().replace(microsecond=500_000)  # `iat` is in whole seconds
    await house.post("/token", form, client="simulator")  # now it is known for a second
    await house.app.ledger.database.work(lambda c: house.app.revocation.disable_client(c, "simulator"))
    await scene.told("ClientRevoked")
    house.clock.advance(timedelta(seconds=0.9))
    token = (await house.post("/token", form, client="simulator")).json()["access_token"]
    with pytest.raises(InvalidToken, match="revoked"):
        await scene.guard.check(token)
