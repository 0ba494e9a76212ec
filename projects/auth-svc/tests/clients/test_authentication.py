"""Client authentication (RFC 6749 section 2.3, OAuth 2.1 section 2.4)."""

import base64
from typing import Any

import pytest

from auth_svc.clients import NewClient
from auth_svc.testing import House

GRANT = {"grant_type": "client_credentials"}
MACHINE = ["/token", "/introspect", "/revoke", "/device_authorization"]


def basic(raw: bytes) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(raw).decode()}


def must_be_refused(answer: Any, code: str = "invalid_client") -> None:
    assert answer.status_code == (401 if code == "invalid_client" else 400), answer.text
    assert answer.json()["error"] == code
    if code == "invalid_client":
        assert answer.headers["www-authenticate"].startswith("Basic ")


async def posting(house: House, method: str = "client_secret_post") -> None:
    """Register the client `poster`, which sends its secret in the body."""
    metadata = NewClient(
        client_id="poster",
        client_name="Poster",
        secret=house.secret,
        token_endpoint_auth_method=method,
        grant_types=("client_credentials",),
        scope="shipments:read",
    )
    await house.app.ledger.database.work(lambda connection: house.app.registration.ensure(connection, metadata))


async def test_secret_in_the_body_is_accepted(house: House) -> None:
    await posting(house)
    answer = await house.post("/token", GRANT | {"client_id": "poster", "client_secret": house.secret})
    assert answer.status_code == 200


async def test_the_registered_method_holds_oidc_core_9(house: House) -> None:
    await posting(house)
    must_be_refused(await house.post("/token", GRANT, client="poster"))
    must_be_refused(await house.post("/token", GRANT | {"client_id": "simulator", "client_secret": house.secret}))


async def test_another_registered_method_is_seen_though_the_header_is_known_oidc_core_9(house: House) -> None:
    await posting(house, "client_secret_basic")
    assert (await house.post("/token", GRANT, client="poster")).status_code == 200
    await posting(house)
    house.app.clients.forget("poster")
    must_be_refused(await house.post("/token", GRANT, client="poster"))


async def test_credentials_in_the_header_are_form_decoded_rfc6749_2_3_1(house: House) -> None:
    secret = "ä:% +&=/" + "x" * 32
    metadata = NewClient(
        client_id="odd", client_name="Odd", secret=secret, grant_types=("client_credentials",), scope="shipments:read"
    )
    await house.app.ledger.database.work(lambda connection: house.app.registration.add(connection, metadata))
    assert (await house.http.post("/token", data=GRANT, headers=house.basic("odd", secret))).status_code == 200
    must_be_refused(await house.http.post("/token", data=GRANT, headers=basic(f"odd:{secret}".encode())))


@pytest.mark.parametrize("path", MACHINE)
async def test_two_methods_are_invalid_request_rfc6749_2_3(house: House, path: str) -> None:
    form = GRANT | {"client_id": "simulator", "client_secret": house.secret}
    must_be_refused(await house.post(path, form, client="simulator"), "invalid_request")


async def test_client_id_beside_the_header_must_agree(house: House) -> None:
    assert (await house.post("/token", GRANT | {"client_id": "simulator"}, client="simulator")).status_code == 200
    must_be_refused(await house.post("/token", GRANT | {"client_id": "web"}, client="simulator"), "invalid_request")


async def test_header_given_twice_is_invalid_request(house: House) -> None:
    value = house.basic("simulator")["authorization"]
    headers = [("authorization", value), ("authorization", value)]
    must_be_refused(await house.http.post("/token", data=GRANT, headers=headers), "invalid_request")


@pytest.mark.parametrize("path", MACHINE)
@pytest.mark.parametrize(
    "header",
    [
        "Basic",
        "Basic ",
        "Basic !!!!",
        "Basic " + base64.b64encode(b"simulator").decode(),
        "Basic " + base64.b64encode(b"simulator:%zz").decode(),
        "Basic " + base64.b64encode(b"simulator:\xff").decode(),
        "Basic " + base64.b64encode(b"simulator:\x00").decode(),
        "Basic " + base64.b64encode(b"simulator:wrong").decode(),
        "Basic " + base64.b64encode(b"simulator:").decode(),
        "Basic " + base64.b64encode(b":").decode(),
        "Basic " + base64.b64encode(b"nobody:secret").decode(),
        "Basic " + base64.b64encode(b"cli-proj:secret").decode(),
        "Bearer abc",
        "Negotiate abc",
    ],
)
async def test_bad_header_is_invalid_client_with_a_challenge(house: House, path: str, header: str) -> None:
    must_be_refused(await house.http.post(path, data={"token": "x"}, headers={"authorization": header}))


async def test_good_credentials_count_under_their_scheme_alone_rfc6749_2_3_1(house: House) -> None:
    (good,) = basic(f"simulator:{house.secret}".encode()).values()
    assert (await house.http.post("/token", data=GRANT, headers={"authorization": good})).status_code == 200
    other = {"authorization": good.replace("Basic", "Bearer")}
    must_be_refused(await house.http.post("/token", data=GRANT, headers=other))


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"client_id": "nobody"},
        {"client_id": "simulator"},
        {"client_id": "simulator", "client_secret": "wrong"},
        {"client_secret": "secret"},
        {"client_id": "cli-proj", "client_secret": "public clients have none"},
        {"client_id": "simulator", "client_assertion_type": "urn:x", "client_assertion": "x"},
    ],
)
async def test_bad_credentials_in_the_body_are_invalid_client(house: House, form: dict[str, str]) -> None:
    must_be_refused(await house.post("/token", GRANT | form))


async def test_secret_in_the_address_is_not_looked_at_oauth21_2_4_1(house: House) -> None:
    address = f"/token?client_id=simulator&client_secret={house.secret}&grant_type=client_credentials"
    must_be_refused(await house.http.post(address, data=GRANT))


async def test_unknown_client_and_wrong_secret_look_the_same(house: House) -> None:
    unknown = await house.http.post("/token", data=GRANT, headers=house.basic("nobody", "x"))
    wrong = await house.http.post("/token", data=GRANT, headers=house.basic("simulator", "x"))
    assert (unknown.status_code, unknown.content) == (wrong.status_code, wrong.content)


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
async def test_changed_secret_is_seen_within_a_second(house: House, method: str) -> None:
    from datetime import timedelta

    async def ensure(secret: str) -> None:
        metadata = NewClient(
            client_id="machine",
            client_name="Machine",
            secret=secret,
            token_endpoint_auth_method=method,
            grant_types=("client_credentials",),
            scope="shipments:read",
        )
        await house.app.ledger.database.work(lambda connection: house.app.registration.ensure(connection, metadata))

    in_body = method == "client_secret_post"
    secret = {"client_id": "machine", "client_secret": house.secret} if in_body else {}
    client = None if in_body else "machine"
    await ensure(house.secret)
    for _ in range(2):
        assert (await house.post("/token", GRANT | secret, client=client)).status_code == 200
    await ensure("another-secret-for-tests-0123456789")
    house.clock.advance(timedelta(seconds=1))
    must_be_refused(await house.post("/token", GRANT | secret, client=client))


async def test_secrets_are_kept_as_hashes_only(house: House, folder: Any) -> None:
    kept = b"".join(file.read_bytes() for file in folder.glob("auth.db*"))
    assert house.secret.encode() not in kept
    assert house.password.encode() not in kept
