"""/openapi.json says what is there, and what is there does what it says."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from schemathesis import GenerationMode
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


@schemathesis.serializer("application/secevent+jwt")
def as_it_is(_context: Any, value: Any) -> bytes:
    """How a token travels: as it is."""
    return str(value).encode()


METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "TRACE")


FIRE = examples(
    max_examples=15,
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
    *(
        {
            "client_id": name,
            "client_name": "Receiver of signals",
            "secret": SECRET,
            "grant_types": ["client_credentials"],
            "scope": "ssf.manage",
        }
        for name in ("intranet", "extranet")
    ),
]
PARAMETERS = {
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


@dataclass
class Known:
    """Who is there, and requests that are good."""

    house: House
    run: Callable[[Any], Any]
    clara: dict[str, Any]
    shop: dict[str, Any]
    desk: str
    """An access token that may end everything of a person."""
    till: str
    """An access token of a client that may exchange it."""
    application: dict[str, Any]
    """A client that has registered itself."""
    receivers: tuple[str, str]
    """Access tokens of receivers of signals: one that has a stream, and one that has none yet."""
    stream_id: str
    operator: str
    """An access token of an operator."""
    webhook: str
    """The id of one that there is."""

    @property
    def tokens(self) -> list[str]:
        return [
            self.clara["access_token"],
            self.shop["access_token"],
            self.desk,
            self.application["registration_access_token"],
            self.receivers[0],
        ]

    @property
    def callers(self) -> list[dict[str, str]]:
        clients = ("web", "app-svc", "simulator", "till")
        return [{}, *(self.house.basic(client) for client in clients), *(bearer(token) for token in self.tokens)]

    @property
    def parameters(self) -> dict[str, list[Any]]:
        return PARAMETERS | {
            "token": [*self.tokens, self.clara["refresh_token"]],
            "refresh_token": [self.clara["refresh_token"], self.shop["refresh_token"]],
            "subject_token": self.tokens[:2],
            "access_token": self.tokens[:2],
            "id_token_hint": [self.clara["id_token"], self.shop["id_token"]],
        }

    @property
    def requests(self) -> dict[str, list[dict[str, Any]]]:
        """By operation: what is answered as the document says that good requests are."""
        pushed = {
            "response_type": "code",
            "client_id": "web",
            "scope": "openid shipments:read",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        }
        exchange = {
            "grant_type": TOKEN_EXCHANGE,
            "subject_token": self.till,
            "subject_token_type": ACCESS_TOKEN_TYPE,
        }
        till, web = self.house.basic("till"), self.house.basic("web")
        own = {"headers": bearer(self.tokens[3]), "query": {"client_id": self.application["client_id"]}}
        refresh = {"grant_type": "refresh_token", "refresh_token": self.shop["refresh_token"]}
        reader, beginner = map(bearer, self.receivers)
        which = {"stream_id": self.stream_id}
        operator, webhook = bearer(self.operator), {"id": self.webhook}
        subject = which | {"subject": {"format": "iss_sub", "iss": ISSUER, "sub": "nobody"}}
        return {
            "POST /ssf/streams": [{"headers": beginner, "body": {"events_requested": ["urn:unknown"]}}],
            "GET /ssf/streams": [{"headers": reader, "query": query} for query in ({}, which)],
            "PATCH /ssf/streams": [{"headers": reader, "body": which}],
            "PUT /ssf/streams": [{"headers": reader, "body": which | {"description": "A stream"}}],
            "GET /ssf/status": [{"headers": reader, "query": which}],
            "POST /ssf/status": [{"headers": reader, "body": which | {"status": "enabled"}}],
            "POST /ssf/subjects:add": [{"headers": reader, "body": subject}],
            "POST /ssf/subjects:remove": [{"headers": reader, "body": subject}],
            "POST /ssf/verify": [{"headers": reader, "body": which}],
            "POST /ssf/poll": [{"headers": reader, "body": {"maxEvents": 1}}],
            "POST /admin/webhooks": [
                {"headers": operator, "body": {"url": "https://rp.example/hook", "types": ["user.*"]}}
            ],
            "GET /admin/webhooks": [{"headers": operator, "query": query} for query in ({}, webhook)],
            "PATCH /admin/webhooks": [{"headers": operator, "query": webhook, "body": {"description": "A webhook"}}],
            "POST /admin/webhooks/secret": [{"headers": operator, "query": webhook, "body": {"overlap_hours": 1}}],
            "GET /admin/webhooks/deliveries": [{"headers": operator, "query": webhook}],
            "POST /token": [
                {"headers": till, "body": {"grant_type": "client_credentials", "scope": "shipments:read"}},
                {"headers": till, "body": exchange},
                {"headers": web, "body": refresh | {"resource": [RESOURCE]}},
            ],
            "POST /par": [{"headers": web, "body": pushed}],
            "POST /device_authorization": [{"body": {"client_id": "cli-proj", "scope": "openid shipments:read"}}],
            "POST /backchannel_authentication": [
                {"headers": till, "body": {"scope": "openid shipments:read", "login_hint": "clara"}}
            ],
            "POST /introspect": [
                {"headers": web, "body": {"token": self.shop[kind]}} for kind in ("access_token", "refresh_token")
            ],
            "POST /revoke": [{"body": {"client_id": "cli-proj", "token": "nobody knows it"}}],
            "GET /userinfo": [{"headers": bearer(self.clara["access_token"])}],
            "POST /userinfo": [{"body": {"access_token": self.clara["access_token"]}}],
            "POST /global-token-revocation": [
                {"headers": bearer(self.desk), "body": {"sub_id": {"format": "email", "email": "otto@example.com"}}}
            ],
            "POST /client_registration": [{"body": {"redirect_uris": [LOOPBACK]}}],
            "GET /client_registration": [own],
            "PUT /client_registration": [
                own | {"body": {"redirect_uris": [LOOPBACK], "client_id": self.application["client_id"]}}
            ],
        }


@pytest.fixture
def known(living: Any) -> Known:
    house, run = living.house, living.run
    form = {"grant_type": "client_credentials"}
    desk, till, intranet, extranet = (
        run(house.post("/token", form, client=name)).json()["access_token"]
        for name in ("desk", "till", "intranet", "extranet")
    )
    stream = run(house.http.post("/ssf/streams", json={}, headers=bearer(intranet))).json()
    registered = run(house.http.post("/client_registration", json={"redirect_uris": [LOOPBACK]})).json()
    clara, shop = run(house.tokens()), run(house.tokens(client="web"))
    operator = run(house.tokens("dan", scope="admin"))["access_token"]
    wanted = {"url": "https://rp.example/hook", "types": ["client.*"]}
    webhook = run(house.http.post("/admin/webhooks", json=wanted, headers=bearer(operator))).json()["id"]
    receivers, stream_id = (intranet, extranet), stream["stream_id"]
    return Known(house, run, clara, shop, desk, till, registered, receivers, stream_id, operator, webhook)


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


@pytest.mark.parametrize("living", [{"registration": "open", "signal_poll_wait": 0.001}], indirect=True)
def test_what_is_answered_is_what_the_document_says(known: Known) -> None:
    """Good requests of every endpoint, then requests as the document allows them and as it does not, with and without
    parts of good ones, from callers who are known or not: no 5xx; status, media type, headers and body as described.
    """
    schema = schemathesis.openapi.from_dict(known.run(known.house.http.get("/openapi.json")).json(), config=CONFIG)
    operations = [found.ok() for found in schema.get_all_operations()]
    good = known.requests
    for operation in operations:
        for request in good.get(operation.label, ()):
            answer = check(known, operation.Case(**request))
            assert answer.status_code in (200, 201, 204), (operation.label, answer.text)
    for operation in operations:
        bombard(known, operation, good.get(operation.label, []))


def bombard(known: Known, operation: Any, good: list[dict[str, Any]]) -> None:
    """A bounded number of requests, the same ones each time."""
    parameters = {name: known.parameters[name] for name in parameters_of(operation) & known.parameters.keys()}
    bases = st.sampled_from([None, *good])
    modes = list(GenerationMode) if "requestBody" in operation.definition.raw else [GenerationMode.POSITIVE]
    cases = st.one_of([operation.as_strategy(mode) for mode in modes])

    @FIRE
    @given(cases, st.sampled_from(known.callers), bases, st.data())
    def once(case: Any, caller: dict[str, str], base: dict[str, Any] | None, data: st.DataObject) -> None:
        if base is not None:
            caller = base.get("headers", {})
            case.query = base.get("query", case.query)
            if isinstance(case.body, dict):
                strange = data.draw(st.sets(st.sampled_from(sorted(case.body)), max_size=2)) if case.body else ()
                case.body = base.get("body", {}) | {name: case.body[name] for name in strange}
        elif parameters and isinstance(case.body, dict):
            for name in sorted(data.draw(st.sets(st.sampled_from(sorted(parameters))))):
                case.body[name] = data.draw(st.sampled_from(parameters[name]))
        case.headers = {**case.headers, **caller}
        check(known, case)

    once()


def check(known: Known, case: Any) -> Response:
    answer: Response = known.run(send(known.house, case))
    case.validate_response(answer, checks=CHECKS)
    return answer
