"""A process that appends events, for tests in which several do so at once."""

from atos_orchestrator.execution.database import open_database
from atos_orchestrator.execution.event_store import EventStore
from atos_protocol.settings import load_settings


def append_many(writer: int, count: int) -> None:
    """Append `count` events of its own, and as many that every writer tells."""
    store = EventStore(open_database(load_settings()))
    store.create()
    for number in range(count):
        store.append("g", "warning", {}, key=f"{writer}:{number}")
        store.append("g", "warning", {}, key=f"same:{number}")
