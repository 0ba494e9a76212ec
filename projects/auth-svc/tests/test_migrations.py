"""The migrations make exactly the tables that the stores declare."""

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import MetaData, create_engine

import auth_svc.app  # noqa: F401 - imports every slice, and with it every table
from auth_svc.db import metadata
from lib_one.sql import upgrade
from lib_one.sql.outbox import metadata as outbox_metadata
from lib_one.testing.databases import fresh_database
from lib_one.webhooks.store import metadata as webhook_metadata


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_migrations_and_stores_agree(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    with fresh_database(kind, tmp_path, lambda: request.getfixturevalue("postgres")) as url:
        upgrade(url, package="auth_svc")
        expected = MetaData()
        for table in [*metadata.sorted_tables, *outbox_metadata.sorted_tables, *webhook_metadata.sorted_tables]:
            table.to_metadata(expected)
        engine = create_engine(url)
        try:
            with engine.connect() as connection:
                context = MigrationContext.configure(connection, opts={"compare_type": True})
                differences = [
                    difference
                    for difference in compare_metadata(context, expected)
                    if "alembic_version" not in str(difference)
                ]
        finally:
            engine.dispose()
    assert differences == []
