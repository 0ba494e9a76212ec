"""A refusal names the member that is to be changed, and says nothing else of what was sent (RFC 7591 section 3.2.2)."""

from typing import Any

import pytest

USUAL = "The client metadata are malformed, do not fit together or ask for what is not given."


@pytest.mark.parametrize(
    ("changes", "member"),
    [
        ({"client_name": 1}, "client_name"),
        ({"client_name": "a\u0007b"}, "client_name"),
        ({"redirect_uris": ["https://reader.example/callback"] * 51}, "redirect_uris"),
        ({"redirect_uris": []}, "redirect_uris"),
        ({"grant_types": ["client_credentials"]}, "grant_types"),
        ({"grant_types": ["refresh_token"]}, "grant_types"),
        ({"response_types": ["token"]}, "response_types"),
        ({"scope": "nothing of ours"}, "scope"),
        ({"contacts": [1]}, "contacts"),
        ({"client_uri": "http://reader.example"}, "client_uri"),
        ({"token_endpoint_auth_method": "client_secret_jwt"}, "token_endpoint_auth_method"),
        ({"token_endpoint_auth_method": "tls_client_auth"}, "token_endpoint_auth_method"),
        ({"token_endpoint_auth_method": "private_key_jwt"}, "jwks"),
        ({"jwks": {"keys": "none"}}, "jwks"),
        ({"jwks": {"keys": []}, "jwks_uri": "https://reader.example/jwks"}, "jwks_uri"),
        ({"jwks_uri": "http://reader.example/jwks"}, "jwks_uri"),
        ({"require_signed_request_object": True}, "jwks"),
        ({"request_object_signing_alg": "none"}, "request_object_signing_alg"),
        ({"id_token_signed_response_alg": "HS256"}, "id_token_signed_response_alg"),
        ({"subject_type": "secret"}, "subject_type"),
        ({"subject_type": "pairwise", "redirect_uris": ["http://127.0.0.1/cb"]}, "sector_identifier_uri"),
        ({"sector_identifier_uri": "https://family.example/uris"}, "sector_identifier_uri"),
        ({"frontchannel_logout_uri": "https://other.example/"}, "frontchannel_logout_uri"),
        ({"post_logout_redirect_uris": ["/bye"]}, "post_logout_redirect_uris"),
        ({"backchannel_token_delivery_mode": "ping"}, "backchannel_client_notification_endpoint"),
        ({"backchannel_user_code_parameter": True}, "backchannel_user_code_parameter"),
    ],
)
async def test_member_at_fault_is_named_rfc7591_3_2_2(registrant: Any, changes: dict[str, Any], member: str) -> None:
    answer = await registrant.register(**changes)
    assert answer.status_code == 400
    assert answer.json() == {
        "error": "invalid_client_metadata",
        "error_description": f"{USUAL} At fault: {member}.",
    }


@pytest.mark.parametrize(
    ("changes", "member"),
    [
        ({"client_id": "another"}, "client_id"),
        ({"client_id_issued_at": 1}, "client_id_issued_at"),
        ({"client_secret": "another"}, "client_secret"),
    ],
)
async def test_member_of_an_update_is_named_rfc7592_2_2(registrant: Any, changes: dict[str, Any], member: str) -> None:
    known = (await registrant.register()).json()
    said = {name: value for name, value in known.items() if not name.startswith(("registration_", "client_id_"))}
    answer = await registrant.manage("PUT", known, said | changes)
    assert answer.json()["error_description"] == f"{USUAL} At fault: {member}."


async def test_what_is_no_object_has_no_member(registrant: Any, house: Any) -> None:
    answer = await house.http.post("/client_registration", content=b"[]", headers={"content-type": "application/json"})
    assert answer.json() == {"error": "invalid_client_metadata", "error_description": USUAL}
