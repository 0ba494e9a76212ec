"""/userinfo (OIDC Core section 5.3) and the challenges of RFC 6750."""

from datetime import timedelta

import pytest

from auth_svc.testing import House

ALL = "openid profile email shipments:read"


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


async def test_claims_follow_the_scope_oidc_5_4(house: House) -> None:
    tokens = await house.tokens("clara", scope=ALL)
    answer = await house.http.get("/userinfo", headers=bearer(tokens["access_token"]))
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    found = answer.json()
    assert found.pop("updated_at") > 0
    assert found == {
        "sub": house.claims(tokens["id_token"])["sub"],
        "name": "Clara Clerk",
        "preferred_username": "clara",
        "roles": ["clerk"],
        "email": "clara@example.com",
        "email_verified": False,
    }
    lean = await house.tokens("clara", scope="openid")
    answer = await house.http.get("/userinfo", headers=bearer(lean["access_token"]))
    assert answer.json() == {"sub": found["sub"]}


async def test_post_with_header_or_body_works_oidc_5_3_1(house: House) -> None:
    token = (await house.tokens("clara", scope=ALL))["access_token"]
    assert (await house.http.post("/userinfo", headers=bearer(token))).status_code == 200
    assert (await house.http.post("/userinfo", data={"access_token": token})).status_code == 200


async def test_without_a_token_the_challenge_has_no_error_rfc6750_3_1(house: House) -> None:
    answer = await house.http.get("/userinfo")
    assert answer.status_code == 401
    assert answer.headers.get_list("www-authenticate")[0] == 'Bearer realm="auth-svc"'
    assert "error" not in answer.headers["www-authenticate"]
    assert answer.content == b""


async def test_token_in_the_address_is_not_looked_at_oauth21_5_1(house: House) -> None:
    token = (await house.tokens("clara", scope=ALL))["access_token"]
    assert (await house.http.get(f"/userinfo?access_token={token}")).status_code == 401


async def test_two_tokens_or_a_malformed_one_are_invalid_request_rfc6750_3_1(house: House) -> None:
    token = (await house.tokens("clara", scope=ALL))["access_token"]
    for answer in (
        await house.http.post("/userinfo", data={"access_token": token}, headers=bearer(token)),
        await house.http.get("/userinfo", headers={"authorization": "Bearer"}),
        await house.http.get("/userinfo", headers={"authorization": "Bearer a b"}),
        await house.http.get("/userinfo", headers={"authorization": "Bearer ä".encode()}),
        await house.http.get("/userinfo", headers=[("authorization", "Bearer a"), ("authorization", "Bearer b")]),
    ):
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
        assert 'error="invalid_request"' in answer.headers["www-authenticate"]


@pytest.mark.parametrize("token", ["x", "a.b.c", "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.e30."])
async def test_bad_token_is_invalid_token_rfc6750_3_1(house: House, token: str) -> None:
    answer = await house.http.get("/userinfo", headers=bearer(token))
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


async def test_expired_or_revoked_token_or_closed_account_is_invalid_token(house: House) -> None:
    token = (await house.tokens("clara", scope=ALL))["access_token"]
    await house.post("/revoke", {"token": token, "client_id": "cli-proj"})
    assert (await house.http.get("/userinfo", headers=bearer(token))).status_code == 401
    token = (await house.tokens("clara", scope=ALL))["access_token"]
    house.clock.advance(timedelta(minutes=10))
    assert (await house.http.get("/userinfo", headers=bearer(token))).status_code == 401
    token = (await house.tokens("clara", scope=ALL))["access_token"]
    subject = house.claims(token)["sub"]
    await house.app.ledger.database.work(lambda connection: house.app.accounts.disable(connection, subject))
    assert (await house.http.get("/userinfo", headers=bearer(token))).status_code == 401


async def test_token_for_another_audience_or_of_a_client_is_invalid_token(house: House) -> None:
    token = (await house.tokens("clara", scope="shipments:read"))["access_token"]
    assert (await house.http.get("/userinfo", headers=bearer(token))).status_code == 401
    answer = await house.post("/token", {"grant_type": "client_credentials"}, client="simulator")
    assert (await house.http.get("/userinfo", headers=bearer(answer.json()["access_token"]))).status_code == 401


async def test_only_a_token_with_openid_is_for_userinfo_oidc_5_3(house: House) -> None:
    tokens = await house.tokens("otto", scope="profile email shipments:read")
    answer = await house.http.get("/userinfo", headers=bearer(tokens["access_token"]))
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
