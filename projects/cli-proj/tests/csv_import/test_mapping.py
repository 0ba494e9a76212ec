"""The mapping: what is accepted, and what is said about the rest."""

from pathlib import Path

import pytest

from cli_proj.csv_import.mapping import read_mapping
from cli_proj.errors import CliError, ExitCode

SMALL = """
[shipment]
reference = "Note"
origin.name = "Site"
destination.name = "Country"
"""


def _read(tmp_path: Path, text: str) -> CliError | None:
    path = tmp_path / "map.toml"
    path.write_text(text, encoding="utf-8")
    try:
        read_mapping(path)
    except CliError as error:
        return error
    return None


def test_small_mapping_has_defaults(tmp_path: Path) -> None:
    path = tmp_path / "map.toml"
    path.write_text(SMALL + 'promised_at = "P"\ndelivered_at = "D"\nregistered_at = "R"\n', encoding="utf-8-sig")
    mapping = read_mapping(path)
    assert (mapping.encoding, mapping.delimiter, mapping.timezone.key) == ("utf-8-sig", ",", "UTC")
    assert mapping.date_formats == ("iso",)
    assert mapping.columns()["reference"] == "Note"
    rules = {name: mapping.rule(name) for name in mapping.fields}
    assert rules == {
        "reference": "first",
        "origin.name": "first",
        "destination.name": "first",
        "promised_at": "latest",
        "delivered_at": "latest",
        "registered_at": "earliest",
    }


def test_places_may_be_tables_too(tmp_path: Path) -> None:
    text = '[shipment]\nreference="N"\n[shipment.origin]\nname="S"\n[shipment.destination]\nname={constant="Ndola"}\n'
    assert _read(tmp_path, text) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "[shipment] is missing"),
        ("[shipment", "it is not TOML"),
        (SMALL + "[shipments]\n", "[shipments] is no part of a mapping"),
        (SMALL + 'promissed_at = "P"\n', "did you mean promised_at?"),
        (SMALL + 'weight = "W"\n', "a shipment has no field weight; there are reference, origin.name"),
        (SMALL + 'origin.city = "C"\n', "a shipment has no field origin.city"),
        (SMALL.replace("reference", "# reference"), "does not say where reference comes from"),
        (SMALL.replace('reference = "Note"', 'reference = { constant = "x" }'), "reference needs a column"),
        (SMALL + "promised_at = 3\n", "promised_at: Expected"),
        (SMALL + 'promised_at = { colum = "P" }\n', "unknown field `colum`"),
        (SMALL + 'promised_at = { column = "P", constant = "x" }\n', "either `column` or `constant`"),
        (SMALL + 'promised_at = { column = "P", on_difference = "newest" }\n', "Invalid enum value 'newest'"),
        (SMALL + 'origin.country = { column = "P", on_difference = "latest" }\n', "origin.country is not a time"),
        (SMALL + 'origin.country = { column = "P", date_formats = ["iso"] }\n', "origin.country is not a time"),
        (SMALL + '[file]\nencoding = "utf-9"\n', "there is no encoding 'utf-9'"),
        (SMALL + '[file]\nencoding = "base64"\n', "'base64' is not an encoding of text"),
        (SMALL + '[file]\ndelimiter = ";;"\n', "the delimiter ';;' must be one character"),
        (SMALL + '[file]\ntimezone = "Mars/Olympus"\n', "there is no time zone 'Mars/Olympus'"),
        (SMALL + '[file]\ntimezone = "../../etc/passwd"\n', "there is no time zone"),
        (SMALL + '[file]\ndate_format = "iso"\n', "unknown field `date_format`"),
        ('[shipment]\nreference="N"\norigin="S"\n', "write origin.name, origin.country"),
        ("file = 1\n" + SMALL, "[file]: Expected `object`"),
    ],
)
def test_what_cannot_be_used_is_named(text: str, words: str, tmp_path: Path) -> None:
    error = _read(tmp_path, text)
    assert error is not None
    assert words in error.message
    assert "map.toml" in error.message
    assert error.code is ExitCode.USAGE


def test_mapping_that_is_not_there_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(CliError, match="cannot be read"):
        read_mapping(tmp_path / "nothing.toml")
    with pytest.raises(CliError, match="cannot be read"):
        read_mapping(tmp_path)
    (tmp_path / "map.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CliError, match="not UTF-8"):
        read_mapping(tmp_path / "map.toml")
