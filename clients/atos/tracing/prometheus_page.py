"""The page of `/metrics`, written by Prometheus's own client: counters of goals, and the scheduler's memory and queue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from atos.tracing.counters import METRICS, Counters
from atos_protocol.scheduler_api import Status
from atos_protocol.versions import installed

CONTENT_TYPE = CONTENT_TYPE_LATEST


def page(counters: Counters, unfinished: int, status: Status | None) -> bytes:
    """Return the page.

    Args:
        counters: of goals, since this process began to count.
        unfinished: goals that have not ended.
        status: the scheduler's; None where it is down.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Now(counters, unfinished, status))
    return generate_latest(registry)


class _Now(Collector):
    """What is true at one moment."""

    def __init__(self, counters: Counters, unfinished: int, status: Status | None) -> None:
        self._counters, self._unfinished, self._status = counters, unfinished, status

    def collect(self) -> Iterator[Any]:
        yield _gauge("atos_info", "Version of ATOS.", [({"version": installed()}, 1)])
        yield _gauge(
            "atos_goals_unfinished", "Goals that have not ended.", [({}, self._unfinished)]
        )
        for metric in METRICS:
            series = self._counters.values(metric.name)
            labels = sorted({label for names, _ in series for label in names})
            family = CounterMetricFamily(metric.name, metric.about, labels=labels)
            for names, value in series:
                family.add_metric([names.get(label, "") for label in labels], value)
            yield family
        up = self._status is not None
        yield _gauge("atos_scheduler_up", "Whether the scheduler answers.", [({}, int(up))])
        if self._status is not None:
            yield from _scheduler(self._status)


def _scheduler(status: Status) -> Iterator[GaugeMetricFamily]:
    devices = status.devices
    yield _gauge(
        "atos_memory_budget_bytes", "Most that models may take of a device.",
        [({"device": each.name}, each.budget) for each in devices],
    )  # fmt: skip
    yield _gauge(
        "atos_memory_committed_bytes", "What models take of it, with those that come and go.",
        [({"device": each.name}, each.committed) for each in devices],
    )  # fmt: skip
    yield _gauge(
        "atos_models", "Models in memory, by state.", _counted((r.state,) for r in status.residencies)
    )  # fmt: skip
    yield _gauge(
        "atos_requests", "Requests for models, by pool and state.",
        _counted(((lease.state, lease.pool) for lease in status.leases), ("state", "pool")),
    )  # fmt: skip


def _counted(
    found: Iterable[tuple[str, ...]], names: tuple[str, ...] = ("state",)
) -> list[tuple[dict[str, str], float]]:
    return [
        (dict(zip(names, key, strict=True)), count) for key, count in sorted(Counter(found).items())
    ]


def _gauge(
    name: str, about: str, values: Iterable[tuple[dict[str, str], float]]
) -> GaugeMetricFamily:
    found = list(values)
    labels = sorted({label for each, _ in found for label in each})
    family = GaugeMetricFamily(name, about, labels=labels)
    for each, value in found:
        family.add_metric([each.get(label, "") for label in labels], value)
    return family
