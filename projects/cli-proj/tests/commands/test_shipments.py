"""`shipments list|show|register|watch` and `scan`."""

import json
import re
import signal

import pytest

from cli_proj.testing import NOW, FakeAppService, Program, SignIn

NASTY = "\x1b[31mred\x1b[0m [bold]loud[/bold]\nnext\u202egnirts"


@pytest.fixture(autouse=True)
def _signed_in(sign_in: SignIn) -> None:
    sign_in()


def test_list_in_a_pipe_is_plain_text_that_nothing_cuts_off(program: Program, service: FakeAppService) -> None:
    name = ("A very long name of a place " * 10).strip()
    service.add("ASN-1", origin={"name": name, "country": "Zambia"})
    done = program.run("shipments", "list", COLUMNS="40")
    assert (done.returncode, done.stderr) == (0, "")
    header, line = done.stdout.splitlines()
    assert header.split()[:3] == ["reference", "status", "late"]
    assert f"{name}, Zambia" in line
    assert "\x1b" not in done.stdout


def test_list_as_json_is_what_the_api_said(program: Program, service: FakeAppService) -> None:
    shipment = service.add("ASN-1", eta="a member that this version does not know")
    document = json.loads(program.run("shipments", "list", "-o", "json").stdout)
    assert document == {"items": [shipment], "total": 1, "next_cursor": None}
    assert json.loads(program.run("shipments", "list", "-o", "jsonl").stdout) == shipment


def test_list_goes_through_all_pages(program: Program, service: FakeAppService) -> None:
    for number in range(1203):
        service.add(f"R-{number}")
    everything = program.run("shipments", "list", "--all", "-o", "jsonl").stdout.splitlines()
    assert [json.loads(line)["reference"] for line in everything] == [f"R-{number}" for number in range(1202, -1, -1)]
    some = program.run("shipments", "list", "--limit", "501", "-o", "json")
    assert len(json.loads(some.stdout)["items"]) == 501
    assert [path for _, path in service.requests][-2:] == [
        "/shipments?limit=500",
        "/shipments?limit=1&cursor=500",
    ]
    table = program.run("shipments", "list")
    assert len(table.stdout.splitlines()) == 51
    assert "50 of 1,203." in table.stderr


def test_list_passes_its_filters_on(program: Program, service: FakeAppService) -> None:
    program.run("shipments", "list", "--status", "in_transit", "--country", "Côte d'Ivoire", "--late", "-q", "a&b")
    (_, path) = service.requests[-1]
    assert path == "/shipments?status=in_transit&country=C%C3%B4te+d%27Ivoire&late=true&q=a%26b&limit=50"


def test_empty_list_says_so_on_stderr(program: Program) -> None:
    done = program.run("shipments", "list", "--reference", "nothing")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "No shipment is like that.\n"


def test_show_has_the_facts_and_the_timeline(program: Program, service: FakeAppService) -> None:
    entries = [
        service.entry(),
        service.entry("scanned", biz_step="arriving", place={"name": "Ndola", "country": "Zambia"}, note="wet"),
        service.entry("delivered", biz_step="receiving"),
    ]
    shipment = service.add("PO/7 ä", promised_at="2026-12-01T00:00:00Z", late=True, entries=entries)
    for key in ("PO/7 ä", shipment["id"]):
        done = program.run("shipments", "show", key)
        assert done.returncode == 0, done.stderr
        assert "registered, late" in done.stdout
        assert "promised   2026-12-01\n" in done.stdout
        timeline = done.stdout.split("\n\n")[1].splitlines()[1:]
        assert [re.split("  +", line)[1] for line in timeline] == ["registered", "arriving", "delivered"]
        assert "Ndola, Zambia" in done.stdout
        assert "wet" in done.stdout


@pytest.mark.parametrize("key", ["nothing", "..", "a/b", "0190a1b2-0000-7000-8000-000000000000", "%2e%2e"])
def test_show_of_what_is_not_there(key: str, program: Program) -> None:
    done = program.run("shipments", "show", key)
    assert (done.returncode, done.stdout) == (5, "")
    assert done.stderr.startswith("error: There is no ")


def test_text_from_elsewhere_cannot_command_the_terminal(program: Program, service: FakeAppService) -> None:
    shipment = service.add("N-1", origin={"name": NASTY, "country": NASTY})
    shipment["entries"] = [service.entry(note=NASTY, by=NASTY, place={"name": NASTY})]
    service.events = [(1, "registered", {"shipment": shipment, "entry": shipment["entries"][0]})]
    for command in (["list"], ["show", "N-1"], ["watch", "--count", "1"]):
        done = program.run("shipments", *command)
        assert done.returncode == 0, done.stderr
        assert "[bold]loud[/bold]" in done.stdout
        assert not {"\x1b", "\u202e"} & set(done.stdout + done.stderr)


def test_register_twice_changes_nothing(program: Program, service: FakeAppService) -> None:
    arguments = ["register", "PO-7", "--from", "Limassol", "--to", "Lusaka", "--to-country", "Zambia"]
    arguments += ["--promised", "2026-12-01"]
    first = program.run("shipments", *arguments)
    assert "PO-7 registered." in first.stdout
    assert "registered already" in program.run("shipments", *arguments).stdout
    assert service.shipments["PO-7"]["destination"] == {"name": "Lusaka", "country": "Zambia"}
    assert service.shipments["PO-7"]["promised_at"] == "2026-12-01T00:00:00Z"


def test_register_of_a_taken_reference_is_a_conflict(program: Program, service: FakeAppService) -> None:
    service.add("PO-7")
    done = program.run("shipments", "register", "PO-7", "--from", "A", "--to", "B")
    assert (done.returncode, done.stdout) == (6, "")
    assert done.stderr.startswith("error: The reference is taken")


def test_scan_reaches_the_service_once_although_the_connection_breaks(
    program: Program, service: FakeAppService
) -> None:
    service.add("ASN-1")
    service.failures = [None, (503, {"title": "Busy", "detail": "The database is away."})]
    done = program.run("scan", "ASN-1", "arriving", "--at", "Ndola", "--lat=-12.9", "--lon", "28.6", "--note", "wet")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "ASN-1: arriving at Ndola, recorded. The shipment is in transit.\n"
    assert done.stderr.count("Trying again") == 2
    (scan,) = service.scans.values()
    assert scan["place"] == {"name": "Ndola", "latitude": -12.9, "longitude": 28.6}
    assert (scan["biz_step"], scan["note"]) == ("arriving", "wet")


def test_scan_with_an_id_of_its_own_can_be_repeated(program: Program, service: FakeAppService) -> None:
    service.add("ASN-1")
    arguments = ["scan", "ASN-1", "loading", "--at", "X", "--scan-id", "0190a1b2-0000-7000-8000-000000000000"]
    arguments += ["--when", "2026-11-20T14:30+01:00"]
    assert ", recorded." in program.run(*arguments).stdout
    assert ", known already." in program.run(*arguments).stdout
    (scan,) = service.scans.values()
    assert scan["occurred_at"] == "2026-11-20T13:30:00Z"


@pytest.mark.parametrize(
    "arguments",
    [
        ["scan", "ASN-1", "flying", "--at", "X"],
        ["scan", "ASN-1", "loading"],
        ["scan", "ASN-1", "loading", "--at", "X", "--lat", "1"],
        ["scan", "ASN-1", "loading", "--at", "X", "--lat", "91", "--lon", "1"],
        ["scan", "ASN-1", "loading", "--at", "X", "--when", "yesterday"],
        ["shipments", "list", "--status", "lost"],
        ["shipments", "list", "--limit", "0"],
        ["shipments", "register", "X"],
        ["shipments", "fly"],
        ["fly"],
        ["-o", "xml", "whoami"],
    ],
)
def test_wrong_usage_is_one_sentence_and_the_way_to_help(arguments: list[str], program: Program) -> None:
    done = program.run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 2


@pytest.mark.parametrize(("status", "code"), [(401, 3), (403, 4), (404, 5), (409, 6), (500, 1), (503, 7)])
def test_refusals_have_exit_codes(status: int, code: int, program: Program, service: FakeAppService) -> None:
    problem = (status, {"title": "No", "detail": "This needs the scope shipments:read."})
    service.failures = [problem, problem]  # a 401 is tried again with a fresh token
    done = program.run("shipments", "list")
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith("error: This needs the scope shipments:read.\n")


@pytest.mark.parametrize("answer", [b"<html>", b"", b"[]", b'{"items": 1}', b'{"items": [{}], "total": 1}', b"\xff"])
def test_malformed_answers_are_named(answer: bytes, program: Program, service: FakeAppService) -> None:
    service.failures = [(200, answer)]
    done = program.run("shipments", "list")
    assert (done.returncode, done.stdout) == (1, "")
    assert "cannot be read" in done.stderr
    assert len(done.stderr.splitlines()) == 2


def test_redirect_is_not_followed(program: Program, service: FakeAppService) -> None:
    service.failures = [(307, {})]
    done = program.run("shipments", "list")
    assert done.returncode == 1
    assert len(service.requests) == 1


def test_service_that_is_away(program: Program, service: FakeAppService) -> None:
    service.stop()
    for command in (["shipments", "list"], ["shipments", "show", "x"], ["shipments", "watch"]):
        done = program.run(*command)
        assert (done.returncode, done.stdout) == (7, "")
        assert f"{service.url} does not answer." in done.stderr


def test_watch_prints_events_and_stops_after_count(program: Program, service: FakeAppService) -> None:
    shipment = service.add("ASN-1", late=True)
    entry = service.entry("scanned", biz_step="arriving", place={"name": "Ndola", "country": "Zambia"})
    service.events = [(7, "scanned", {"shipment": shipment, "entry": entry}), (9, "scanned", {"shipment": {}})]
    done = program.run("shipments", "watch", "--count", "1")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{NOW:%H:%M:%S}  ASN-1          arriving    Ndola, Zambia  LATE\n"
    assert done.stderr == "Watching. Ctrl-C stops.\n"
    lines = program.run("shipments", "watch", "--count", "2", "-o", "jsonl").stdout.splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["7", "9"]
    resumed = program.run("shipments", "watch", "--after", "7", "--count", "1", "-o", "jsonl")
    assert json.loads(resumed.stdout)["id"] == "9"


def test_ctrl_c_ends_watch_with_130_and_the_way_to_go_on(program: Program, service: FakeAppService) -> None:
    service.events = [(7, "scanned", {"shipment": service.add("ASN-1"), "entry": service.entry()})]
    with program.start("shipments", "watch") as running:
        assert running.stdout is not None
        assert running.stdout.readline()
        running.send_signal(signal.SIGINT)
        stdout, stderr = running.communicate(timeout=60)
        assert (running.returncode, stdout) == (130, "")
        assert "Stopped after 1 event. To go on from here: --after 7" in stderr
        assert "Traceback" not in stderr


def test_reader_that_goes_away_ends_the_program_quietly(program: Program, service: FakeAppService) -> None:
    for number in range(2000):
        service.add(f"R-{number}", origin={"name": "x" * 100})
    for form in ("table", "jsonl", "json"):
        with program.start("shipments", "list", "--all", "-o", form) as running:
            assert running.stdout is not None
            assert running.stderr is not None
            running.stdout.readline()
            running.stdout.close()
            assert running.wait(timeout=60) == 141
            assert "Traceback" not in running.stderr.read()
            running.stderr.close()
