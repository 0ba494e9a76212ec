"""Bringing a service's tables up to date when it starts.

Migrations are Alembic's, written by hand, in `<package>/migrations/versions/`; there is no `env.py` and no
`alembic.ini`. When the database is already at the head, Alembic is not even imported: reading the version and the
names of the revisions takes a millisecond.
"""

import ast
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, inspect, make_url, text

from lib_one.imports import without
from lib_one.observe import get_logger
from lib_one.sql.inbox import inbox_table
from lib_one.sql.outbox import metadata as outbox_metadata
from lib_one.sql.outbox import outbox_table

if TYPE_CHECKING:
    from alembic.operations import Operations

log = get_logger(__name__)


def create_outbox(op: "Operations | Any") -> None:
    """For a migration of a service that records events: makes the tables of the outbox. `op` is `alembic.op`.

    Called again in a later migration, it makes what an earlier release did not have.
    """
    outbox_metadata.create_all(op.get_bind())
    for index in outbox_table.indexes:
        index.create(op.get_bind(), checkfirst=True)


def create_inbox(op: "Operations | Any") -> None:
    """For a migration of a service that consumes events: makes the table `inbox`. `op` is `alembic.op`."""
    inbox_table.create(op.get_bind())


def upgrade(url: str, *, package: str) -> None:
    """Run the migrations of `package` that this database has not seen, all of them in one transaction.

    Processes that start at the same time wait for the one that migrates. Blocks; call it before the event loop runs.

    Raises:
        ValueError: the package has no migrations, or they have no single head.
        DatabaseUnavailableError: the database is away.
    """
    parsed = make_url(url)
    versions = _versions(package)
    head = _head(versions)
    if parsed.get_backend_name() == "sqlite":
        from lib_one.sql.sqlite import migrating  # only the engine in use takes memory
    else:
        from lib_one.sql.postgresql import migrating  # likewise
    with migrating(parsed) as connection:
        if _current(connection) != head:
            _run(connection, versions)
            log.info("database_migrated", package=package, head=head)


def _versions(package: str) -> Path:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ValueError(f"{package} is not a package")
    versions = Path(spec.submodule_search_locations[0]) / "migrations" / "versions"
    if not versions.is_dir():
        raise ValueError(f"{package} has no migrations: {versions} is missing")
    return versions


def _head(versions: Path) -> str:
    """The revision that no other one follows, read from the files without running them."""
    revisions: set[str] = set()
    followed: set[str] = set()
    for file in versions.glob("*.py"):
        names = _literals(ast.parse(file.read_bytes()))
        if isinstance(names.get("revision"), str):
            revisions.add(names["revision"])
        down = names.get("down_revision")
        followed.update((down,) if isinstance(down, str) else down or ())
    heads = revisions - followed
    if len(heads) != 1:
        raise ValueError(f"{versions} must have one head, not {sorted(heads)}")
    return heads.pop()


def _literals(module: ast.Module) -> dict[str, Any]:
    """The plain values of `revision` and `down_revision`."""
    found: dict[str, Any] = {}
    for node in module.body:
        if isinstance(node, ast.Assign):
            targets, value = node.targets, node.value
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            targets, value = [node.target], node.value
        else:
            continue
        for target in targets:
            if isinstance(target, ast.Name) and target.id in {"revision", "down_revision"}:
                found[target.id] = ast.literal_eval(value)
    return found


def _current(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _run(connection: Connection, versions: Path) -> None:
    with without("pygments"):  # for what writes new migrations
        from alembic.migration import MigrationContext  # megabytes that a database at its head never needs
        from alembic.operations import Operations
        from alembic.script import ScriptDirectory

    scripts = ScriptDirectory(str(versions.parent), version_locations=[str(versions)])

    def steps(revision: Any, _context: MigrationContext) -> Any:
        return scripts._upgrade_revs("head", revision)

    context = MigrationContext.configure(connection, opts={"fn": steps, "script": scripts})
    with Operations.context(context):
        context.run_migrations()
