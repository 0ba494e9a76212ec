"""The rules of the house that no linter knows."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted(ROOT.glob("projects/*/src/**/*.py"))

ONE_DOOR = {
    "nats": ("lib_one/nats/", "lib_one/testing/"),
    "httpx": ("lib_one/http/",),
    "opentelemetry": ("lib_one/observe/",),
    "prometheus_client": ("lib_one/observe/", "lib_one/testing/"),
    "alembic": ("lib_one/sql/", "migrations/"),
    "sqlalchemy": (
        "lib_one/sql/",
        "lib_one/testing/",
        "migrations/",
        "store.py",
        "db.py",
        "_store.py",
    ),
}
"""Library → where it may be imported at run time. A type in an annotation is no import."""


@cache
def imports(path: Path) -> frozenset[str]:
    """The top-level names of what a module imports at run time."""
    return frozenset(_imports(ast.parse(path.read_text())))


def _imports(tree: ast.Module) -> Iterator[str]:
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module.split(".")[0]


def test_no_module_is_longer_than_400_lines() -> None:
    long = {str(path): n for path in SOURCES if (n := len(path.read_text().splitlines())) > 400}
    assert long == {}


@pytest.mark.parametrize("library", ONE_DOOR)
def test_library_has_one_door(library: str) -> None:
    strays = [
        str(path.relative_to(ROOT))
        for path in SOURCES
        if library in imports(path) and not any(door in path.as_posix() for door in ONE_DOOR[library])
    ]
    assert strays == []


def test_every_module_and_package_says_what_it_is() -> None:
    silent = [str(path) for path in SOURCES if not ast.get_docstring(ast.parse(path.read_text()))]
    assert silent == []


def test_rooms_are_named_for_what_is_in_them() -> None:
    nameless = {"utils", "helpers", "common", "core", "manager", "services", "misc", "util"}
    assert [str(path) for path in SOURCES if nameless & {path.stem, *path.parts[len(ROOT.parts) :]}] == []


def test_front_door_is_readable_by_python_3_9() -> None:
    source = (ROOT / "main.py").read_text()
    ast.parse(source, feature_version=(3, 9))
    assert not re.search(r"^\s*match ", source, re.MULTILINE)


def test_tests_are_no_packages() -> None:
    assert list(ROOT.glob("projects/*/tests/**/__init__.py")) == []


def test_each_store_is_private_to_its_slice() -> None:
    """Others import from the slice; only the composition root, which makes the stores, may reach in."""
    strays = []
    for path in SOURCES:
        package = path.relative_to(ROOT).parts[4:-1]  # projects/<name>/src/<package>/…
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.ImportFrom) or not node.module:
                continue
            *owner, last = node.module.split(".")[1:] or [""]
            if last == "store" and tuple(owner) != package[: len(owner)] and path.name not in ("app.py", "generate.py"):
                strays.append(f"{path.relative_to(ROOT)} imports {node.module}")
    assert strays == []
