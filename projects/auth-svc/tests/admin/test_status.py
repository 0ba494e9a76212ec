"""GET /admin/status: who may, and what every process on the bus says."""

from pathlib import Path
from typing import Any

from auth_svc.app import create_app
from auth_svc.testing import House, settings_in
from lib_one import http as web
from lib_one.nats import NatsConnection, Presence
from lib_one.testing import eventually, free_port, in_background, nats_server

PATH = "/admin/status"


async def asked(house: House, scope: str) -> Any:
    token = (await house.tokens("otto", scope=scope))["access_token"]
    return await house.http.get(PATH, headers={"authorization": f"Bearer {token}"})


async def test_only_operators_may(house: House) -> None:
    assert (await house.http.get(PATH)).status_code == 401
    answer = await asked(house, "openid")
    assert (answer.status_code, answer.json()["error"]) == (403, "insufficient_scope")


async def test_a_bus_that_cannot_be_asked_is_said(house: House) -> None:
    answer = await asked(house, "admin")
    assert (answer.status_code, answer.json()) == (200, {"bus": False, "services": []})


async def test_every_process_on_the_bus_tells_with_the_rights_that_are_shipped(folder: Path) -> None:
    async with nats_server(open_door=False) as server:
        server.seed("auth-svc")
        issuer = f"http://127.0.0.1:{free_port()}"
        settings = settings_in(folder, issuer=issuer, nats_url=server.url, nats_nkey_file=server.seed_file("auth-svc"))
        app = create_app(settings)
        worker = NatsConnection(server.url, name="app-svc", nkey_seed=server.seed("app-svc"))
        await worker.start()
        presence = Presence(worker, version="1.2.3", role="timeline", look=_look)
        async with (
            app.running(),
            in_background(presence.run()),
            web.client(base_url=issuer, transport=web.ASGITransport(app)) as http,
        ):
            house = House(app, http, app.ledger.now, None, None, issuer)  # type: ignore[arg-type]
            token = (await house.tokens("otto", scope="admin"))["access_token"]

            async def both() -> Any:
                told = (await http.get(PATH, headers={"authorization": f"Bearer {token}"})).json()
                return told["services"] if len(told["services"]) == 2 and told["services"][1]["checks"] else None

            timeline, auth = await eventually(both)
            assert (timeline["name"], timeline["role"], timeline["ok"]) == ("app-svc", "timeline", False)
            assert timeline["checks"] == {"dead_letters": {"ok": False, "waiting": 2}}
            assert (auth["name"], auth["role"]) == ("auth-svc", "server")
            assert "secret" not in str(auth).lower()
        await worker.close()


async def _look() -> dict[str, dict[str, object]]:
    return {"dead_letters": {"ok": False, "waiting": 2}}
