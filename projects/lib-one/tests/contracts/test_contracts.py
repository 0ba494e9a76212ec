"""Every contract against the messages that were once written with it: what was stored must be readable for ever.

A message that is committed stays as it is: `SHA256SUMS` has the digest of each, and only ever gets longer.
"""

import json
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest

import lib_one.contracts  # noqa: F401 - registers them
from lib_one.contracts.shipping import ShipmentScanned
from lib_one.event import TYPE_PREFIX, contracts, decode, event, subject_token, utc_now

FOLDER = Path(__file__).parents[1] / "fixtures" / "contracts"
FIXTURES = sorted(FOLDER.glob("*.json"))
HOUSE = {type_: known for type_, known in contracts().items() if known.__module__.startswith("lib_one.contracts.")}
"""The contracts of the house; another test may have registered its own."""


def read(path: Path) -> dict[str, object]:
    content: dict[str, object] = json.loads(path.read_text())
    return content


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_a_committed_message_still_decodes_and_is_written_the_same_way(path: Path) -> None:
    fixture = read(path)
    written = decode(fixture["headers"], json.dumps(fixture["data"]).encode()).encode()
    assert written.subject == fixture["subject"]
    assert written.headers == fixture["headers"]
    assert contains(json.loads(written.body), fixture["data"])


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_an_older_reader_ignores_the_fields_of_a_newer_writer(path: Path) -> None:
    fixture = read(path)
    newer = {**fixture["data"], "added_in_a_later_release": {"a": [1, 2]}}
    read_back = decode(fixture["headers"], json.dumps(newer).encode())
    assert read_back == decode(fixture["headers"], json.dumps(fixture["data"]).encode())


def test_every_contract_has_a_fixture_and_every_fixture_a_contract() -> None:
    names = {type_.removeprefix(TYPE_PREFIX) for type_ in HOUSE}
    assert {path.stem.removesuffix(".least") for path in FIXTURES} == names


def test_a_committed_message_is_never_changed_or_removed() -> None:
    digests = {path.name: sha256(path.read_bytes()).hexdigest() for path in FIXTURES}
    known = dict(reversed(line.split()) for line in (FOLDER / "SHA256SUMS").read_text().splitlines())
    changed = {name for name, digest in known.items() if digests.get(name) != digest}
    assert not changed, "what was told once must be readable for ever: undo this, and make a new version"
    missing = [f"{digests[name]}  {name}" for name in sorted(digests.keys() - known.keys())]
    assert not missing, f"new messages: add these lines to {FOLDER / 'SHA256SUMS'}"


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_each_required_field_is_required(path: Path) -> None:
    fixture = read(path)
    contract = contracts()[fixture["headers"]["ce-type"]]
    for field in msgspec.structs.fields(contract):
        if field.required:
            rest = {name: value for name, value in fixture["data"].items() if name != field.name}
            with pytest.raises(Exception, match=field.name):
                decode(fixture["headers"], json.dumps(rest).encode())


@pytest.mark.parametrize("type_", sorted(HOUSE))
def test_a_contract_is_named_in_the_past_tense_with_its_version_and_says_what_it_means(type_: str) -> None:
    contract = HOUSE[type_]
    assert type_.startswith(TYPE_PREFIX)
    assert type_.rpartition(".v")[2].isdigit()
    assert contract.__doc__
    assert contract.__doc__.split("\n")[0].endswith((".", ",", ":"))


def test_times_travel_as_aware_utc() -> None:
    fixture = read(FOLDER / "shipment.scanned.v1.json")
    fact = decode(fixture["headers"], json.dumps(fixture["data"]).encode()).data
    assert isinstance(fact, ShipmentScanned)
    assert fact.occurred_at.utcoffset() is not None


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
@pytest.mark.parametrize("wildcard", ["*", ">", "a.b", "a b", "", "ä", "x" * 129])
def test_an_id_with_a_wildcard_never_becomes_a_subject(path: Path, wildcard: str) -> None:
    fixture = read(path)
    fact = decode(fixture["headers"], json.dumps(fixture["data"]).encode()).data
    identifiers = [name for name in fact.__struct_fields__ if getattr(fact, name) == fact.aggregate()]
    if not identifiers:  # the heartbeat is about nothing in particular
        return
    forged = msgspec.structs.replace(fact, **dict.fromkeys(identifiers, wildcard))
    with pytest.raises(Exception, match="NATS subject"):
        event(forged, source="/test", now=utc_now).encode()


def test_no_contract_carries_a_secret() -> None:
    words = ("password", "secret", "email", "phone", "cookie", "code")
    for type_, contract in HOUSE.items():
        for field in msgspec.structs.fields(contract):
            assert not any(word in field.name for word in words), f"{type_}: {field.name}"


def test_the_subject_of_each_fixture_is_made_of_safe_tokens() -> None:
    for path in FIXTURES:
        for token in str(read(path)["subject"]).split("."):
            assert subject_token(token) == token


def contains(whole: object, part: object) -> bool:
    """Whether `whole` says at least what `part` says."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(key in whole and contains(whole[key], value) for key, value in part.items())
    return whole == part
