"""Metadata (RFC 8414, OpenID Connect Discovery) and /jwks."""

import pytest

from auth_svc.testing import House

DOCUMENTS = ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"]
PUBLIC = [*DOCUMENTS, "/jwks"]


@pytest.mark.parametrize("path", DOCUMENTS)
async def test_metadata_says_what_the_server_does_rfc8414_2(house: House, path: str) -> None:
    answer = await house.http.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    document = answer.json()
    assert document["issuer"] == house.issuer
    assert document["response_types_supported"] == ["code"]
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert document["authorization_response_iss_parameter_supported"] is True
    assert "RS256" in document["id_token_signing_alg_values_supported"]
    assert "none" not in document["id_token_signing_alg_values_supported"]
    assert document["subject_types_supported"] == ["public", "pairwise"]
    assert document["scopes_supported"] == list(house.app.resources.catalogue.scopes)
    assert document["protected_resources"] == [house.resource]  # RFC 9728 section 4
    assert set(document["grant_types_supported"]) == {
        "authorization_code",
        "refresh_token",
        "client_credentials",
        "urn:ietf:params:oauth:grant-type:device_code",
        "urn:ietf:params:oauth:grant-type:token-exchange",
        "urn:openid:params:grant-type:ciba",
    }
    assert "none" not in document["introspection_endpoint_auth_methods_supported"]
    assert [] not in document.values()  # RFC 8414 section 3.2
    for name, value in document.items():
        if name.endswith("_endpoint") or name == "jwks_uri":
            assert value.startswith(house.issuer + "/")


async def test_every_endpoint_of_the_metadata_answers(house: House) -> None:
    document = (await house.http.get(DOCUMENTS[0])).json()
    for name, value in document.items():
        if name.endswith("_endpoint") or name == "jwks_uri":
            assert (await house.http.get(value)).status_code != 404, name


@pytest.mark.parametrize("path", PUBLIC)
async def test_any_page_may_read_it_and_head_and_options_work(house: House, path: str) -> None:
    get = await house.http.get(path, headers={"origin": "https://spa.example"})
    assert get.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in get.headers
    assert "max-age" in get.headers["cache-control"]
    head = await house.http.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == get.headers["content-length"]
    options = await house.http.options(path)
    assert (options.status_code, options.headers["allow"]) == (204, "GET, HEAD, OPTIONS")
    post = await house.http.post(path)
    assert (post.status_code, post.headers["allow"]) == (405, "GET, HEAD, OPTIONS")


@pytest.mark.parametrize("path", ["/authorize", "/signin", "/token", "/introspect", "/userinfo"])
async def test_nothing_else_is_open_to_other_pages_oauth21_3_1(house: House, path: str) -> None:
    for method in ("GET", "POST", "OPTIONS"):
        answer = await house.http.request(method, path, headers={"origin": "https://evil.example"})
        assert "access-control-allow-origin" not in answer.headers
