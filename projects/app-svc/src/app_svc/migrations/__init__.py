"""Alembic migrations, run under a lock at start (`lib_one.sql.upgrade`). Never edit one that was released."""
