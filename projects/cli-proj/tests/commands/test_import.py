"""`shipments import`, from the command line to the service."""

import csv
import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cli_proj.testing import FakeAppService, Program, SignIn

MAP = """
[shipment]
reference = "Note"
origin.name = "Site"
destination.name = "Country"
destination.country = "Country"
promised_at = "Promised"
"""


class Import:
    """A file and a mapping, and the command line for them."""

    def __init__(self, program: Program, folder: Path) -> None:
        self.program = program
        self.file = folder / "data.csv"
        self.map = folder / "map.toml"
        self.map.write_text(MAP)
        self.write(f"R-{number},Basel,Zambia,2026-12-01" for number in range(1100))

    def write(self, lines: object) -> None:
        self.file.write_text("\n".join(["Note,Site,Country,Promised", *lines]) + "\n")  # type: ignore[misc]

    @property
    def arguments(self) -> list[str]:
        return ["shipments", "import", str(self.file), "--map", str(self.map)]

    def run(self, *more: str) -> "subprocess.CompletedProcess[str]":
        return self.program.run(*self.arguments, *more)

    def summary(self, *more: str) -> dict[str, object]:
        document: dict[str, object] = json.loads(self.run("-o", "json", *more).stdout)
        return document


@pytest.fixture
def importing(program: Program, tmp_path: Path, sign_in: SignIn) -> Import:
    sign_in()
    return Import(program, tmp_path)


def _batches(service: FakeAppService) -> int:
    return sum(path == "/shipments/batch" for _, path in service.requests)


def test_import_in_batches_and_a_second_run_changes_nothing(importing: Import, service: FakeAppService) -> None:
    done = importing.run()
    assert done.returncode == 0, done.stderr
    figures = dict(re.split("  +", line) for line in done.stdout.splitlines())
    assert figures == {
        "lines": "1,100",
        "shipments": "1,100",
        "created": "1,100",
        "unchanged": "0",
        "conflicts": "0",
        "invalid": "0",
        "left out": "0",
        "bad lines": "0",
    }
    assert done.stderr == "1,100 lines, 1,100 shipments, 0 of them with a bad line.\n"
    assert _batches(service) == 3
    before = json.dumps(service.shipments)
    summary = importing.summary()
    assert (summary["created"], summary["unchanged"]) == (0, 1100)
    assert json.dumps(service.shipments) == before


def test_dry_run_says_what_would_happen_and_changes_nothing(importing: Import, service: FakeAppService) -> None:
    service.add("R-1", origin={"name": "Goa"})
    done = importing.run("--dry-run")
    assert done.returncode == 1
    assert "would be created  1,099" in done.stdout
    assert "line 3, R-1: conflict: The reference is taken" in done.stderr
    assert "A dry run: nothing was changed." in done.stderr
    assert len(service.shipments) == 1
    assert importing.summary("--dry-run")["dry_run"] is True


def test_what_was_not_imported_is_reported_by_line_and_reason(
    importing: Import, service: FakeAppService, tmp_path: Path
) -> None:
    importing.write(
        [
            "A,Basel,Zambia,2026-12-01",
            "B,Basel,Zambia,soon",
            "C,REFUSE,Zambia,2026-12-01",
            "D,Basel,Zambia,2026-12-01",
            "A,Basel,Zambia,never",
            "E,Basel,Zambia,2026-12-01",
        ]
    )
    service.add("D")
    report = tmp_path / "report.csv"
    done = importing.run("--report", str(report))
    assert done.returncode == 1
    assert list(service.shipments) == ["D", "E"]
    rows = list(csv.DictReader(io.StringIO(report.read_text())))
    assert [(row["line"], row["reference"], row["outcome"]) for row in rows] == [
        ("3", "B", "bad line"),
        ("6", "A", "bad line"),
        ("4", "C", "invalid"),
        ("5", "D", "conflict"),
    ]
    assert rows[0]["reason"] == "promised_at: 'soon' is no date in the form iso"
    assert "line 6, A: bad line: promised_at: 'never'" in done.stderr
    assert "created    1" in done.stdout
    assert "left out   2" in done.stdout
    summary = importing.summary()
    assert summary["problems"][0] == {**rows[0], "line": 3}  # type: ignore[index]
    assert (summary["unchanged"], summary["left_out"], summary["bad_lines"]) == (1, 2, 2)


def test_many_problems_are_cut_short_on_the_terminal(importing: Import) -> None:
    importing.write(f"R-{number},Basel,Zambia,soon" for number in range(30))
    done = importing.run()
    assert done.returncode == 1
    assert "… and 10 more: --report FILE" in done.stderr
    assert len(done.stderr.splitlines()) == 22


def test_import_waits_for_a_service_that_is_away(importing: Import, service: FakeAppService) -> None:
    busy = (503, {"title": "Busy", "detail": "The database is away. Try again later."})
    service.failures = [None, busy]
    done = importing.run()
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("Trying again in") == 2
    assert len(service.shipments) == 1100


def test_import_gives_up_after_its_patience_and_the_next_run_goes_on(
    importing: Import, service: FakeAppService
) -> None:
    service.failures = [(500, {"title": "Broken"})]
    done = importing.run("--patience", "0")
    assert (done.returncode, done.stdout) == (1, "")
    assert "Nothing was imported.\nerror: Broken\n" in done.stderr
    service.failures = []
    service.fail_after = 1
    done = importing.run("--patience", "0.1")
    assert (done.returncode, done.stdout) == (7, "")
    assert "Stopped after 500 of 1,100 shipments." in done.stderr
    assert "the same command goes on from here" in done.stderr
    service.fail_after = None
    summary = importing.summary()
    assert (summary["created"], summary["unchanged"]) == (600, 500)


def test_interrupted_import_goes_on(importing: Import, program: Program, service: FakeAppService) -> None:
    service.failures = [(503, {"title": "Busy"})] * 1000
    with program.start(*importing.arguments, "--report", str(importing.file.with_name("report.csv"))) as running:
        assert running.stderr is not None
        while "Trying again" not in running.stderr.readline():
            assert running.poll() is None
        running.send_signal(signal.SIGINT)
        stdout, stderr = running.communicate(timeout=60)
    assert (running.returncode, stdout) == (130, "")
    assert "Nothing was imported." in stderr
    assert "Traceback" not in stderr
    service.failures = []
    assert importing.summary()["created"] == 1100


def test_import_without_a_sign_in_or_right(program: Program, tmp_path: Path, service: FakeAppService) -> None:
    importing = Import(program, tmp_path)
    assert importing.run().returncode == 3
    assert importing.run("--dry-run").returncode == 3
    assert not service.requests


def test_refused_import_ends_at_once(importing: Import, service: FakeAppService) -> None:
    service.failures = [(403, {"title": "No", "detail": "This needs the scope shipments:write."})]
    done = importing.run()
    assert done.returncode == 4
    assert _batches(service) == 1


def test_broken_file_sends_nothing(importing: Import, service: FakeAppService) -> None:
    importing.write(["A,Basel,Zambia,2026-12-01", 'B,"Basel,Zambia,2026-12-01'])
    done = importing.run()
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: {importing.file}, line 3: a quote is opened")
    assert not service.requests


def test_report_that_cannot_be_written_is_found_before_anything_is_sent(
    importing: Import, service: FakeAppService
) -> None:
    done = importing.run("--report", "/nowhere/report.csv")
    assert done.returncode == 1
    assert "/nowhere/report.csv" in done.stderr
    assert not service.requests


def test_verbose_tells_of_differences(importing: Import) -> None:
    importing.write(["A,Basel,Zambia,2026-12-01", "A,Goa,Zambia,2026-12-01"])
    done = importing.run("-v")
    assert done.returncode == 0
    assert "note: line 2, A: origin.name differs: 'Basel' (line 2) counts, not 'Goa' (line 3)" in done.stderr
    assert "note:" not in importing.run().stderr


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo terminal")
def test_progress_is_drawn_where_somebody_looks(importing: Import, program: Program) -> None:
    """stderr is a terminal here; stdout is a pipe, and stays clean."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "cli_proj", *importing.arguments, "-o", "json"],
        env={**program.environment, "TERM": "xterm-256color"},
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
    ) as running:
        os.close(theirs)
        seen = b""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                if not (part := os.read(ours, 4096)):
                    break
            except OSError:  # how Linux says that the other side is closed
                break
            seen += part
        assert running.stdout is not None
        assert json.loads(running.stdout.read())["created"] == 1100
    os.close(ours)
    assert b"Importing" in seen
    assert b"1100/1100" in seen


def test_huge_cells_do_not_make_huge_batches(importing: Import, service: FakeAppService) -> None:
    importing.write(f"R-{number},{'x' * 100_000},Zambia,2026-12-01" for number in range(12))
    assert importing.summary()["created"] == 12
    assert _batches(service) == 4
