"""What the goals database takes on the disk, and giving back what deleted rows leave.

SQLite keeps the pages of deleted rows for itself. A file that this version made gives them back little by little
(`auto_vacuum=INCREMENTAL`, set in `database`), each step a short transaction. One of an earlier version is written
anew once (`VACUUM`, which holds up writers for about a second per 100 MB), and only while no goal is at work. Postgres
reuses the space by itself.
"""

from __future__ import annotations

import logging

import sqlalchemy as sa

PAGES_AT_ONCE = 500
WORTH_BYTES = 1 << 20
"""Free space below which a file is not written anew."""
INCREMENTAL = 2
TABLES = (
    "atos_events",
    "workflow_status",
    "workflow_input",
    "workflow_output",
    "operation_outputs",
)

log = logging.getLogger(__name__)


def used_bytes(engine: sa.Engine) -> int:
    """Return what goals take in the database, indexes included."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            pages = _pragma(connection, "page_count") - _pragma(connection, "freelist_count")
            return pages * _pragma(connection, "page_size")
        sizes = (sa.func.coalesce(_relation_size(name), 0) for name in TABLES)
        return sum(int(connection.execute(sa.select(size)).scalar_one()) for size in sizes)


def give_back(engine: sa.Engine, *, quiet: bool) -> None:
    """Shrink the file by what is free in it.

    Args:
        engine: of the database.
        quiet: whether nothing is at work, so that writers may be held up.
    """
    if engine.dialect.name != "sqlite":
        return
    with engine.connect() as connection:
        if _pragma(connection, "auto_vacuum") != INCREMENTAL:
            free = _pragma(connection, "freelist_count") * _pragma(connection, "page_size")
            if not quiet or free < WORTH_BYTES:
                return
            log.info("writing the goals database anew, %d bytes are free in it", free)
            connection.exec_driver_sql(f"PRAGMA auto_vacuum={INCREMENTAL}")
            connection.exec_driver_sql("VACUUM")
        before, free = 0, _pragma(connection, "freelist_count")
        while free and free != before:
            _step_through(connection, f"PRAGMA incremental_vacuum({PAGES_AT_ONCE})")
            before, free = free, _pragma(connection, "freelist_count")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _step_through(connection: sa.Connection, statement: str) -> None:
    """Carry out what works a page per step and returns rows without columns, which SQLAlchemy does not fetch."""
    cursor = connection.connection.cursor()
    try:
        cursor.execute(statement)
        cursor.fetchall()
    finally:
        cursor.close()


def _pragma(connection: sa.Connection, name: str) -> int:
    return int(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one())


def _relation_size(name: str) -> sa.ColumnElement[int]:
    """Return the size of a table wherever DBOS has put it."""
    place = (
        sa.select(sa.text("c.oid"))
        .select_from(sa.text("pg_class c"))
        .where(sa.text(f"c.relname = '{name}' AND c.relkind = 'r'"))
        .limit(1)
    )
    return sa.func.pg_total_relation_size(place.scalar_subquery())
