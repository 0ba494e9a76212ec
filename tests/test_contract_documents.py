"""The documents about events that tools read: JSON Schemas and AsyncAPI (that they are current: `test_docs.py`)."""

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "reference"
MESSAGES = sorted((ROOT / "projects" / "lib-one" / "tests" / "fixtures" / "contracts").glob("*.json"))


def read(path: Path) -> Any:
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def asyncapi() -> Any:
    return read(REFERENCE / "asyncapi.json")


@pytest.fixture(scope="module")
def official() -> jsonschema_rs.Draft7Validator:
    """The schema of AsyncAPI 3.0 documents, as its authors publish it."""
    return jsonschema_rs.Draft7Validator(read(ROOT / "tests" / "schemas" / "asyncapi-3.0.0.json"))


def test_the_asyncapi_document_is_one_by_the_official_schema(
    asyncapi: Any, official: jsonschema_rs.Draft7Validator
) -> None:
    assert [(error.instance_path, error.message) for error in official.iter_errors(asyncapi)] == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("operations", "guard.receive.token.revoked.live", "action"), "overhear"),
        (("channels", "token.revoked", "messages", "token.revoked.v1"), "TokenRevoked"),
        (("servers", "bus", "protocol"), None),
        (("components", "messages", "token.revoked.v1", "payload", "type"), "text"),
    ],
)
def test_the_official_schema_would_find_a_mistake(
    asyncapi: Any, official: jsonschema_rs.Draft7Validator, path: tuple[str, ...], value: object
) -> None:
    broken = part = copy.deepcopy(asyncapi)
    for name in path[:-1]:
        part = part[name]
    part[path[-1]] = value
    assert not official.is_valid(broken)


def test_every_reference_in_the_asyncapi_document_leads_somewhere(asyncapi: Any) -> None:
    def references(part: Any) -> list[str]:
        if isinstance(part, dict):
            own = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
            return own + [found for below in part.values() for found in references(below)]
        return [found for below in part for found in references(below)] if isinstance(part, list) else []

    found = references(asyncapi)
    assert len(found) > 100
    for reference in found:
        part = asyncapi
        for step in reference.removeprefix("#/").split("/"):
            part = part[step]


def test_every_message_is_in_the_asyncapi_document_with_its_headers_and_its_data(asyncapi: Any) -> None:
    for path in MESSAGES:
        fixture = read(path)
        name = path.stem.removesuffix(".least")
        message = asyncapi["components"]["messages"][name]
        assert jsonschema_rs.Draft202012Validator(message["headers"]).is_valid(fixture["headers"]), name
        kind = {**message["payload"], "components": asyncapi["components"]}
        assert jsonschema_rs.Draft202012Validator(kind).is_valid(fixture["data"]), name


@pytest.mark.parametrize("path", MESSAGES, ids=lambda path: path.stem)
def test_a_message_has_the_shape_that_the_schema_it_names_describes(path: Path) -> None:
    fixture = read(path)
    schema = read(REFERENCE / "schemas" / f"{path.stem.removesuffix('.least')}.json")
    assert schema["$id"] == fixture["headers"]["ce-dataschema"]
    validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
    assert [(error.instance_path, error.message) for error in validator.iter_errors(fixture["data"])] == []
    for field in schema["required"]:
        assert not validator.is_valid({name: value for name, value in fixture["data"].items() if name != field})


def test_no_schema_is_left_of_a_fact_that_is_no_more() -> None:
    names = {path.stem.removesuffix(".least") for path in MESSAGES}
    assert {path.stem for path in (REFERENCE / "schemas").glob("*.json")} == names
