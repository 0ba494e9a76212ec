"""The real delivery history, from the file through the command line into the lists and timelines."""

import csv
import json
from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.running import ROOT, FrontDoor, until

pytestmark = pytest.mark.system
HISTORY = ROOT.parent / "shared" / "data" / "scms-delivery-history.csv"
MAPPING = ROOT / "projects" / "cli-proj" / "examples" / "scms.toml"


def day(text: str) -> date:
    return datetime.strptime(text, "%d-%b-%y").replace(tzinfo=UTC).date()


def notes() -> dict[str, dict[str, object]]:
    """What the file says of each delivery note: read here by hand, by the rules that the mapping states."""
    found: dict[str, dict[str, object]] = {}
    with HISTORY.open(encoding="utf-8-sig", newline="") as file:
        for line in csv.DictReader(file):
            promised, delivered = day(line["Scheduled Delivery Date"]), day(line["Delivered to Client Date"])
            note = found.setdefault(
                line["ASN/DN #"],
                {
                    "country": line["Country"],
                    "site": line["Manufacturing Site"],
                    "promised": promised,
                    "delivered": delivered,
                },
            )
            note["promised"] = max(promised, note["promised"])  # type: ignore[call-overload]
            note["delivered"] = max(delivered, note["delivered"])  # type: ignore[call-overload]
    return found


@pytest.mark.skipif(not HISTORY.exists(), reason=f"the delivery history is not at {HISTORY}")
def test_delivery_history_is_imported_once_whatever_happens(system: FrontDoor, page: Page, tmp_path: Path) -> None:
    cli = system.cli(tmp_path)
    cli.sign_in(page, "clara", system.password("clara"))
    command = ("shipments", "import", str(HISTORY), "--map", str(MAPPING), "--output", "json")

    planned = json.loads(cli.run(*command, "--dry-run"))
    assert (planned["lines"], planned["shipments"], planned["created"]) == (10_324, 7_030, 7_030)
    first = json.loads(cli.run(*command))
    assert (first["created"], first["unchanged"], first["problems"]) == (7_030, 0, [])
    second = json.loads(cli.run(*command))
    assert (second["created"], second["unchanged"], second["problems"]) == (0, 7_030, [])

    expected = notes()
    assert len(expected) == 7_030
    listed = json.loads(cli.run("shipments", "list", "--all", "--output", "json"))["items"]
    destinations = {s["reference"]: s["destination"]["country"] for s in listed}
    assert {name: destinations.get(name) for name in expected} == {n: note["country"] for n, note in expected.items()}
    countries = Counter(note["country"] for note in expected.values())
    for country in ("Côte d'Ivoire", "Nigeria"):
        one = json.loads(cli.run("shipments", "list", "--country", country, "--all", "--output", "json"))["items"]
        assert len({s["reference"] for s in one} & expected.keys()) == countries[country]

    for reference in list(expected)[::700]:
        note = expected[reference]

        def delivered(reference: str = reference) -> dict[str, object] | None:
            shown: dict[str, object] = json.loads(cli.run("shipments", "show", reference, "--output", "json"))
            return shown if len(shown["entries"]) == 2 else None  # type: ignore[arg-type]

        shown = until(delivered, 60, "the timeline")
        shipment, (registered, arrived) = shown["shipment"], shown["entries"]  # type: ignore[misc]
        assert shipment["status"] == "delivered"  # type: ignore[index]
        assert shipment["late"] == (note["delivered"] > note["promised"])  # type: ignore[index,operator]
        assert registered["kind"] == "registered"  # type: ignore[has-type]
        assert registered["place"]["name"] == note["site"]  # type: ignore[has-type]
        assert arrived["kind"] == "delivered"  # type: ignore[has-type]
        assert arrived["occurred_at"][:10] == str(note["delivered"])  # type: ignore[has-type]
