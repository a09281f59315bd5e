"""Which home a database on a server belongs to: the first one that used it.

Whatever waits in a database is executed by the worker that sees it first, in repositories below its own home. Two homes on one
database would execute each other's goals. A SQLite file lies in its home, and may come back from a backup in another one:
it is never refused.
"""

from __future__ import annotations

import sqlalchemy as sa

from atos_orchestrator.execution.event_table import take_turn
from atos_protocol.errors import UnreachableError

METADATA = sa.MetaData()

HOME = sa.Table(
    "atos_home",
    METADATA,
    sa.Column("number", sa.Integer, sa.CheckConstraint("number = 1"), primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
)
"""One row at most."""


def claim(engine: sa.Engine, name: str) -> None:
    """Make a database this home's if it is nobody's; several processes may do so at once.

    Args:
        engine: of the goals database.
        name: of the home's workers (`worker_name`).

    Raises:
        UnreachableError: it is another home's.
    """
    if engine.dialect.name == "sqlite":
        return
    with engine.begin() as connection:
        take_turn(connection)
        METADATA.create_all(connection, checkfirst=True)
        owner = connection.execute(sa.select(HOME.c.name)).scalar()
        if owner is None:
            owner = name
            connection.execute(HOME.insert().values(number=1, name=name))
    if owner != name:
        message = (
            f"the goals database {engine.url.database} belongs to the home {owner}; "
            f"this one is {name}, and two homes would execute each other's goals"
        )
        step = (
            "Name another database in ATOS_DATABASE_URL. If that home is gone: run `DELETE FROM atos_home` "
            "in this one, and its goals are this home's."
        )
        raise UnreachableError(message, next_step=step)
