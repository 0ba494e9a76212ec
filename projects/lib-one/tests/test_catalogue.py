"""The catalogue follows from the contracts and the topology."""

import json

import pytest

import lib_one.contracts  # noqa: F401 - registers them
from lib_one import catalogue
from lib_one.contracts.auth import AuthFact, ClientDeleted
from lib_one.contracts.revocation import RevocationHeartbeat, TokenRevoked
from lib_one.contracts.shipping import ShipmentRegistered, ShipmentScanned
from lib_one.event import contract


@contract("client.deleted.v2")
class ClientDeletedAnew(AuthFact, frozen=True, kw_only=True):
    """A second version, told at the same place."""

    client_id: str
    deleted_by: str
    """Who did it."""

    def subject(self) -> str:
        return self._subject("client", "deleted")

    def aggregate(self) -> str:
        return self.client_id


@contract("nowhere.v1")
class Nowhere(AuthFact, frozen=True, kw_only=True):
    """No stream takes this."""

    def subject(self) -> str:
        return "elsewhere.x"

    def aggregate(self) -> str:
        return "x"


def document(*facts: type) -> dict[str, dict[str, dict[str, object]]]:
    made = catalogue.asyncapi(facts, title="Events", version="1.0.0", examples={})
    json.dumps(made)
    return made


def test_the_address_names_what_varies() -> None:
    assert catalogue.address(TokenRevoked) == "auth.rev.token.{token_id}"
    assert catalogue.address(ShipmentScanned) == "shipments.{shipment_id}.scanned"
    assert catalogue.address(RevocationHeartbeat) == "auth.rev.heartbeat"


def test_a_fact_that_no_stream_would_store_is_an_error() -> None:
    with pytest.raises(LookupError, match=r"no stream .* takes elsewhere\.x"):
        catalogue.stream_of(Nowhere)


def test_the_owner_of_the_stream_tells_and_its_readers_hear() -> None:
    operations = document(ShipmentRegistered)["operations"]
    assert set(operations) == {"app-svc.send.shipment.registered", "app-svc.receive.shipment.registered"}


def test_guards_hear_revocations_at_their_live_address() -> None:
    made = document(TokenRevoked)
    assert made["channels"]["token.revoked.live"]["address"] == "live.auth.rev.token.{token_id}"
    assert set(made["operations"]) == {"auth-svc.send.token.revoked", "guard.receive.token.revoked.live"}


def test_two_versions_of_a_fact_share_its_channel() -> None:
    made = document(ClientDeleted, ClientDeletedAnew)
    assert set(made["channels"]["client.deleted"]["messages"]) == {"client.deleted.v1", "client.deleted.v2"}
    assert len(made["operations"]["auth-svc.send.client.deleted"]["messages"]) == 2


def test_the_schema_says_what_the_contract_says() -> None:
    schema = catalogue.schema(ClientDeletedAnew)
    assert schema["$id"] == ClientDeletedAnew.SCHEMA
    assert schema["required"] == ["client_id", "deleted_by"]
    assert schema["properties"]["deleted_by"]["description"] == "Who did it."


def test_times_are_times_in_the_schema_also_where_they_are_optional() -> None:
    properties = catalogue.schema(ShipmentRegistered)["properties"]
    assert properties["registered_at"]["format"] == "date-time"
    assert {"type": "string", "format": "date-time"} in properties["promised_at"]["anyOf"]
