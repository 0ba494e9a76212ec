"""/openapi.json says what is there, and what is there does what it says."""

import json
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.config import GenerationConfig, SchemathesisConfig
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from auth_svc.protocol import ACCESS_TOKEN_TYPE, CIBA, TOKEN_EXCHANGE
from auth_svc.settings import Settings
from auth_svc.testing import CHALLENGE, ISSUER, LOOPBACK, RESOURCE, SECRET, SEED, VERIFIER, House, running_house
from lib_one.http import Response
from lib_one.testing import Clock

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
CONFIG = SchemathesisConfig()
CONFIG.projects.default.generation = GenerationConfig(allow_x00=False, allow_extra_parameters=False)
METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "TRACE")


FIRE = examples(
    max_examples=25,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
MORE_CLIENTS = [
    {
        "client_id": "till",
        "client_name": "Till",
        "secret": SECRET,
        "grant_types": [CIBA, TOKEN_EXCHANGE, "client_credentials"],
        "scope": "openid shipments:read",
    },
    {
        "client_id": "desk",
        "client_name": "Security desk",
        "secret": SECRET,
        "grant_types": ["client_credentials"],
        "scope": "global_token_revocation",
    },
]
GOOD = {
    "client_id": ["cli-proj", "web"],
    "client_secret": [SECRET],
    "scope": ["openid shipments:read", "shipments:read", "openid offline_access"],
    "resource": [[RESOURCE], [ISSUER, RESOURCE]],
    "response_type": ["code"],
    "redirect_uri": [LOOPBACK, "https://shop.example/callback?of=shop"],
    "code_challenge": [CHALLENGE],
    "code_challenge_method": ["S256"],
    "code_verifier": [VERIFIER],
    "response_mode": ["query", "form_post.jwt"],
    "prompt": ["none", "login consent"],
    "login_hint": ["clara"],
    "binding_message": ["Order 4711"],
    "subject_token_type": [ACCESS_TOKEN_TYPE],
    "requested_token_type": [ACCESS_TOKEN_TYPE],
}
"""What gets a request past the first checks. Everything else is as the document lets it be."""


@pytest.fixture
def folder(folder: Path) -> Path:
    """Two more clients, who may do what few may."""
    (folder / "seed.json").write_text(json.dumps(SEED | {"clients": [*SEED["clients"], *MORE_CLIENTS]}))
    return folder


def described(document: dict[str, Any]) -> dict[str, set[str]]:
    return {path: {method.upper() for method in item} for path, item in document["paths"].items()}


@pytest.mark.parametrize("path", ["", "/auth"])
async def test_every_endpoint_for_programs_is_described_and_no_other(settings: Settings, path: str) -> None:
    changed = Settings(**settings.model_dump() | {"issuer": f"{settings.issuer}{path}"})
    async with running_house(changed, Clock()) as house:
        answer = await house.http.get(f"{settings.issuer}{path}/openapi.json")
        assert answer.headers["content-type"] == "application/json"
        known = described(answer.json())
        assert known.keys() == house.app.endpoints.keys()
        assert answer.json()["servers"] == [{"url": settings.issuer}]


async def test_the_document_holds_together(house: House) -> None:
    answer = await house.http.get("/openapi.json")
    document = answer.json()
    used = {part.split('"')[0] for part in answer.text.split("#/components/schemas/")[1:]}
    assert used <= document["components"]["schemas"].keys()
    operations = [operation for item in document["paths"].values() for operation in item.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    schemes = {name for operation in operations for way in operation.get("security", ()) for name in way}
    assert schemes == document["components"]["securitySchemes"].keys()


async def test_other_methods_than_the_described_ones_are_405(house: House) -> None:
    for path, methods in described((await house.http.get("/openapi.json")).json()).items():
        for method in METHODS:
            if method in methods:
                continue
            answer = await house.http.request(method, path)
            assert (answer.status_code, answer.json()["error"]) == (405, "invalid_request"), (method, path)
            allowed = set(answer.headers["allow"].split(", "))
            assert allowed - {"HEAD", "OPTIONS"} == methods


async def send(house: House, case: Any) -> Response:
    """As the document says that it is written."""
    prepared = requests.Request(**case.as_transport_kwargs(base_url=ISSUER)).prepare()
    headers = [(name.encode(), value.encode("latin-1")) for name, value in prepared.headers.items()]
    return await house.http.request(prepared.method, prepared.url, headers=headers, content=prepared.body)


def parameters_of(operation: Any) -> set[str]:
    """The names in the form of an operation."""
    content = operation.definition.raw.get("requestBody", {}).get("content", {})
    return set(content.get("application/x-www-form-urlencoded", {}).get("schema", {}).get("properties", ()))


@pytest.mark.parametrize("living", [{"registration": "open"}], indirect=True)
def test_what_is_answered_is_what_the_document_says(living: Any) -> None:
    """Requests that it allows, with good parameters among the others and from callers who are known: no 5xx, and
    status, media type, headers and body as described.
    """
    house, run = living.house, living.run
    document = run(house.http.get("/openapi.json")).json()
    person, service = run(house.tokens()), run(house.tokens(client="web"))
    form = {"grant_type": "client_credentials"}
    desk = run(house.post("/token", form, client="desk")).json()["access_token"]
    application = run(house.http.post("/client_registration", json={"redirect_uris": [LOOPBACK]})).json()
    tokens = [person["access_token"], service["access_token"], desk, application["registration_access_token"]]
    good = GOOD | {
        "token": [*tokens, person["refresh_token"]],
        "refresh_token": [person["refresh_token"], service["refresh_token"]],
        "subject_token": tokens[:2],
        "access_token": tokens[:2],
        "id_token_hint": [person["id_token"], service["id_token"]],
    }
    callers = st.sampled_from(
        [
            {},
            *(house.basic(client) for client in ("web", "app-svc", "simulator", "till")),
            *({"authorization": f"Bearer {token}"} for token in tokens),
        ]
    )

    def fire(operation: Any) -> None:
        names = sorted(good.keys() & parameters_of(operation))

        @FIRE
        @given(operation.as_strategy(), callers, st.data())
        def once(case: Any, caller: dict[str, str], data: st.DataObject) -> None:
            if names and isinstance(case.body, dict):
                for name in data.draw(st.sets(st.sampled_from(names))):
                    case.body[name] = data.draw(st.sampled_from(good[name]))
            if caller:
                case.headers = {**case.headers, **caller}
            answer = run(send(house, case))
            case.validate_response(answer, checks=CHECKS)

        once()

    for found in schemathesis.openapi.from_dict(document, config=CONFIG).get_all_operations():
        fire(found.ok())
