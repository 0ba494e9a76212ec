"""`admin dead list|show|replay|drop`."""

import json

import pytest

from cli_proj.testing import FakeAppService, Program, SignIn


@pytest.fixture(autouse=True)
def _signed_in(sign_in: SignIn) -> None:
    sign_in()


def test_list_shows_the_newest_first_and_says_how_to_go_on(program: Program, service: FakeAppService) -> None:
    letters = [service.letter(number, gone=number == 2) for number in range(1, 5)]
    done = program.run("admin", "dead", "list", "--limit", "3", "--consumer", "app_svc__timeline")
    header, *lines = done.stdout.splitlines()
    assert header.split()[0] == "number"
    assert [line.split()[0] for line in lines] == ["4", "3", "2"]
    assert "shipment.registered.v1" in lines[0]
    assert "no such country" in lines[0]
    assert "its message is gone" in lines[2]
    assert "--before 2" in done.stderr
    rest = program.run("admin", "dead", "list", "--before", "2", "-o", "json")
    assert json.loads(rest.stdout) == {"letters": [letters[0]], "before": None}
    as_lines = program.run("admin", "dead", "list", "-o", "jsonl").stdout.splitlines()
    assert [json.loads(line) for line in as_lines] == letters[::-1]
    nobody = program.run("admin", "dead", "list", "--consumer", "app_svc__other")
    assert (nobody.stdout, nobody.returncode) == ("", 0)


def test_show_replay_and_drop(program: Program, service: FakeAppService) -> None:
    first, second = service.letter(1), service.letter(2)
    assert json.loads(program.run("admin", "dead", "show", "1").stdout) == first
    assert "on its way to app_svc__timeline" in program.run("admin", "dead", "replay", "1").stdout
    assert service.letters == [second]
    asked = program.run("admin", "dead", "drop", "2", stdin="n\n")
    assert asked.returncode != 0
    assert service.letters == [second]
    assert program.run("admin", "dead", "drop", "2", "--yes").returncode == 0
    assert service.letters == []


def test_exit_codes_say_what_is_wrong(program: Program, service: FakeAppService) -> None:
    service.letter(1, gone=True)
    refused = program.run("admin", "dead", "replay", "1")
    assert refused.returncode == 6
    assert "dead drop" in refused.stderr
    unknown = program.run("admin", "dead", "show", "7")
    assert unknown.returncode == 5
    assert "dead list" in unknown.stderr
    service.failures = [(503, {"title": "away", "status": 503, "detail": "The bus is away."})]
    assert program.run("admin", "dead", "list").returncode == 7
    service.failures = [(403, {"title": "no", "status": 403, "detail": "Not you."})]
    assert program.run("admin", "dead", "list").returncode == 4
