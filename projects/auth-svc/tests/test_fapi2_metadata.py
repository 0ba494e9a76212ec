"""The metadata of a server whose rules are those of the FAPI 2.0 Security Profile, and what it registers."""

from pathlib import Path

import pytest

from auth_svc.clients import NewClient, RegistrationError
from auth_svc.settings import Settings
from auth_svc.testing import House, settings_in

ALLOWED = {"PS256", "ES256", "EdDSA", "Ed25519"}
SIGNED = [
    "token_endpoint_auth_signing_alg",
    "request_object_signing_alg",
    "authorization_signed_response_alg",
    "id_token_signed_response_alg",
    "userinfo_signed_response_alg",
    "introspection_signed_response_alg",
]


@pytest.fixture
def settings(folder: Path) -> Settings:
    return settings_in(folder, profile="fapi2")


async def test_metadata_has_only_what_the_profile_allows_fapi2_5_3_2_and_5_4_1(house: House) -> None:
    document = (await house.http.get("/.well-known/openid-configuration")).json()
    lists = {name: values for name, values in document.items() if name.endswith("_alg_values_supported")}
    assert "id_token_signing_alg_values_supported" in lists
    for name, values in lists.items():
        assert values, name
        assert set(values) <= ALLOWED, name
    assert document["require_pushed_authorization_requests"] is True
    assert "private_key_jwt" in document["token_endpoint_auth_methods_supported"]
    for name in ("token_endpoint_auth_methods_supported", "revocation_endpoint_auth_methods_supported"):
        assert not {"none", "client_secret_basic", "client_secret_post"} & set(document[name])
    assert "client_secret_basic" in document["introspection_endpoint_auth_methods_supported"]
    assert document["response_types_supported"] == ["code"]
    assert document["authorization_response_iss_parameter_supported"] is True


@pytest.mark.parametrize("name", SIGNED)
async def test_no_client_is_registered_for_rs256_fapi2_5_4_1(house: House, name: str) -> None:
    new = NewClient(client_id="shop", client_name="Shop", token_endpoint_auth_method="none", **{name: "RS256"})  # type: ignore[arg-type]
    with pytest.raises(RegistrationError, match=name):
        await house.app.ledger.database.work(lambda c: house.app.registration.add(c, new))
    other = NewClient(
        client_id="shop",
        client_name="Shop",
        token_endpoint_auth_method="none",
        profile="oauth21",
        id_token_signed_response_alg="RS256",
    )
    await house.app.ledger.database.work(lambda c: house.app.registration.add(c, other))
