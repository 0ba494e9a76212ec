"""Documentation that cannot fall behind."""

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import msgspec
import pytest
import yaml
from starlette.routing import Route

import app_svc.app
import app_svc.settings
import auth_svc.app
import auth_svc.settings
from cli_proj.csv_import import mapping
from lib_one.observe import defined
from lib_one.testing import RecordingBus

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
READMES = [ROOT / "README.md", *sorted(ROOT.glob("projects/*/README.md"))]


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", sorted(generator().PAGES))
def test_generated_page_is_what_the_code_says(name: str) -> None:
    assert (DOCS / name).read_text() == generator().PAGES[name](), "run: uv run docs/generate.py"


def test_specifications_name_tests_that_exist() -> None:
    text = (DOCS / "reference" / "specifications.md").read_text()
    named = set(re.findall(r"`((?:[a-z-]+/)?tests/[\w/.]+)`", text))
    assert len(named) > 30
    paths = {name: ROOT / (name if name.startswith("tests/") else f"projects/{name}") for name in named}
    assert [name for name, path in sorted(paths.items()) if not path.exists()] == []


# --- readers find their way ------------------------------------------------------------------------------------------


def test_readme_is_one_page() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 80


@pytest.mark.parametrize("page", [*READMES, *PAGES], ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_to_what_exists(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(target)
    assert broken == []


def test_sequence_diagrams_have_no_semicolon() -> None:
    """Mermaid ends a statement there, also within a text, and then cannot read the rest."""
    text = "".join(page.read_text() for page in PAGES)
    diagrams = re.findall(r"```mermaid\nsequenceDiagram\n(.*?)```", text, re.DOTALL)
    assert len(diagrams) > 3
    assert [diagram for diagram in diagrams if ";" in diagram] == []


def anchors(page: Path) -> set[str]:
    """The anchors that MkDocs gives the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower()) for heading in headings}


class _Configuration(yaml.SafeLoader):
    """Reads mkdocs.yml, whose tags for Python names mean nothing here."""


_Configuration.add_multi_constructor("tag:yaml.org,2002:python/name:", lambda *_: None)


def test_every_page_is_in_the_navigation_and_nothing_else() -> None:
    def pages(node: Any) -> Iterator[str]:
        if isinstance(node, str):
            yield node
        else:
            for inner in node.values() if isinstance(node, dict) else node:
                yield from pages(inner)

    configuration = yaml.load((ROOT / "mkdocs.yml").read_text(), _Configuration)
    assert sorted(pages(configuration["nav"])) == [page.relative_to(DOCS).as_posix() for page in PAGES]


def test_included_files_are_included() -> None:
    """A formatter takes `--8<--` in a Python block for code; then the page would show the line, not the file."""
    lines = [line for page in PAGES for line in page.read_text().splitlines() if re.search(r"\b8 ?< ?--?", line)]
    assert lines != []
    assert [line for line in lines if not re.fullmatch(r'--8<-- "[\w/.-]+"', line)] == []


# --- the reference is whole ------------------------------------------------------------------------------------------


def documented(page: str) -> set[tuple[str, str]]:
    """Every `METHOD /path` in the headings of a page of the reference."""
    headings = re.findall(r"^#+ (.+)$", (DOCS / "reference" / page).read_text(), re.MULTILINE)
    return {found for heading in headings for found in re.findall(r"`([A-Z]+) (/\S*)`", heading)}


def served(routes: list[Any]) -> set[tuple[str, str]]:
    """Every method and path that these routes answer; HEAD comes with GET."""
    return {
        (method, route.path)
        for route in routes
        if isinstance(route, Route) and not route.path.startswith("/static/")
        for method in route.methods or ()
        if method != "HEAD"
    }


def test_every_path_of_auth_svc_is_in_the_reference(tmp_path: Path) -> None:
    settings = auth_svc.settings.Settings(
        database_url=f"sqlite:///{tmp_path / 'auth.db'}",
        secret_key_file=tmp_path / "secret.key",
        self_registration=True,
    )
    front = auth_svc.app.create_app(settings, bus=RecordingBus())._application
    machine = {
        (method, path)
        for path, endpoint in front._endpoints.items()
        for method in endpoint._handlers
        if method not in {"HEAD", "OPTIONS"}
    }
    assert documented("http-auth-svc.md") == machine | served(front._rest.routes)


def test_every_path_of_app_svc_is_in_the_reference(tmp_path: Path) -> None:
    settings = app_svc.settings.Settings(database_url=f"sqlite:///{tmp_path / 'app.db'}")
    api = app_svc.app.AppService(settings).api
    assert documented("http-app-svc.md") == served(list(api.routes))


def test_every_filter_of_the_list_and_every_member_that_is_sent_is_in_the_reference() -> None:
    from app_svc.shipments.batch import Batch
    from app_svc.shipments.routes import ListQuery
    from app_svc.shipments.shipment import BizStep, Import, Scan, Status
    from app_svc.shipments.view import ShipmentView

    text = (DOCS / "reference" / "http-app-svc.md").read_text()
    names = [*ListQuery.model_fields, *get_args(BizStep.__value__), *get_args(Status.__value__)]
    for body in (Batch, Import, Scan, ShipmentView):
        names += [field.name for field in msgspec.structs.fields(body)]
    assert [name for name in names if f"`{name}`" not in text] == []


def test_every_error_says_what_to_do_next() -> None:
    """The page is generated; this is what the generator cannot see: advice about an error that is no more."""
    page = generator()
    codes = {error.code for error in page._below(page.auth_svc.errors.OAuthError)}
    classes = {error.__name__ for error in page._below(page.app_svc.errors.AppError)}
    classes |= {error.__name__ for error in page._below(page.lib_two.errors.Refused)}
    assert set(page.NEXT) == codes | classes
    assert set(page.EXIT_CODES) == {code.name for code in page.cli_proj.errors.ExitCode}
    text = (DOCS / "reference" / "errors.md").read_text()
    assert [code for code in codes if f"### `{code}`" not in text] == []


def test_every_key_of_a_mapping_is_in_the_how_to() -> None:
    text = (DOCS / "how-to" / "import-a-csv.md").read_text()
    keys = [field.name for part in (mapping._File, mapping.Field) for field in msgspec.structs.fields(part)]
    keys += [*mapping.FIELDS, *get_args(mapping.OnDifference.__value__)]
    assert [key for key in keys if f"`{key}`" not in text] == []


def test_mapping_of_the_how_to_is_one(tmp_path: Path) -> None:
    text = (DOCS / "how-to" / "import-a-csv.md").read_text()
    blocks = [block for block in re.findall(r"```toml\n(.*?)```", text, re.DOTALL) if "8<" not in block]
    assert len(blocks) == 1
    file = tmp_path / "map.toml"
    file.write_text(blocks[0])
    assert mapping.read_mapping(file).rule("promised_at") == "latest"


def test_alerts_are_about_metrics_that_exist() -> None:
    page = (DOCS / "how-to" / "observe.md").read_text()
    (group,) = yaml.safe_load((DOCS / "examples" / "alerts.yml").read_text())["groups"]
    known = {f"{one.name}{suffix}" for one in defined() for suffix in ("", "_bucket", "_count", "_sum")}
    for rule in group["rules"]:
        assert f"`{rule['alert']}`" in page
        names = set(re.findall(r"\b[a-z]+(?:_[a-z]+)+\b", re.sub(r'"[^"]*"|histogram_quantile', "", rule["expr"])))
        assert names
        assert names <= known, rule["alert"]
    asked = yaml.safe_load((DOCS / "examples" / "prometheus.yml").read_text())["scrape_configs"]
    ports = {int(job["static_configs"][0]["targets"][0].partition(":")[2]) for job in asked}
    assert ports == {auth_svc.settings.Settings().port, app_svc.settings.Settings().port}
