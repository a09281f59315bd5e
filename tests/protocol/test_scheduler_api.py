"""What crosses the socket comes out as it went in."""

import json
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atos_protocol.scheduler_api import HEADERS, Demand, PlanHint, Pool, Status, parse

text = st.text(max_size=8)
pools = st.builds(
    Pool,
    name=text,
    context=st.integers(0),
    output=st.integers(0),
    system=st.booleans(),
    schema=st.booleans(),
    dialect=st.sampled_from(["chat", "catalogue"]),
    members=st.lists(text).map(tuple),
    missing=st.lists(text).map(tuple),
)
statuses = st.builds(
    Status,
    version=text,
    pid=st.integers(1),
    instance=text,
    uptime=st.floats(0, 1e9),
    pools=st.lists(pools, max_size=3).map(tuple),
    plans=st.lists(text).map(tuple),
)


@given(statuses | pools | st.builds(PlanHint, revision=st.integers(0), ttl=st.floats(0, 1e9)))
def test_a_value_survives_json(value: object) -> None:
    assert parse(type(value), json.loads(json.dumps(asdict(value)))) == value  # pyright: ignore[reportArgumentType]


def test_a_field_of_a_newer_daemon_is_let_pass() -> None:
    data = {"version": "9", "pid": 1, "instance": "i", "uptime": 0.5, "weather": "fine"}
    assert parse(Status, data) == Status("9", 1, "i", 0.5)


@pytest.mark.parametrize("data", [[], None, {"version": "1"}, {"version": "1", "pools": [3]}])
def test_what_is_no_status_is_an_error(data: object) -> None:
    with pytest.raises(ValueError, match=r"Status|Pool"):
        parse(Status, data)


def test_a_demand_travels_in_headers_and_leaves_out_what_it_does_not_say() -> None:
    assert Demand().to_headers() == {}
    demand = Demand("g", "T1", "coder", "interactive", 2, 30.0, 400)
    assert demand.to_headers() == {
        "x-atos-goal": "g",
        "x-atos-task": "T1",
        "x-atos-role": "coder",
        "x-atos-class": "interactive",
        "x-atos-priority": "2",
        "x-atos-deadline": "30.0",
        "x-atos-expected-tokens": "400",
    }
    assert set(HEADERS.values()) == set(demand.to_headers())
