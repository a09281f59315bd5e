"""The states, codes and names in the nodes' TypeScript are those of the protocol."""

import re
from pathlib import Path

from atos_protocol.errors import MCP_META_KEY, AtosError
from atos_protocol.goals import COMPLEXITIES, FINAL_GOAL_STATES

SHARED = Path(__file__).parents[2] / "n8n" / "nodes" / "shared"
LOCAL_CODES = {"protocol", "tool_error"}
"""Codes that the nodes themselves give to answers that are not ATOS's."""


def source(name: str) -> str:
    return (SHARED / name).read_text(encoding="utf-8")


def texts(pattern: str, text: str) -> list[str]:
    found = re.search(pattern, text, re.DOTALL)
    assert found, pattern
    return re.findall(r"'([a-z_]+)'", found[1])


def known_codes(kind: type[AtosError] = AtosError) -> set[str]:
    return {kind.code}.union(*(known_codes(child) for child in kind.__subclasses__()))


def test_the_final_states_of_a_goal_are_the_protocols() -> None:
    assert set(texts(r"FINAL_STATES = new Set\(\[(.*?)\]\)", source("goals.ts"))) == (
        FINAL_GOAL_STATES
    )


def test_the_complexities_are_the_protocols_in_order() -> None:
    found = texts(r"COMPLEXITIES: Complexity\[\] = \[(.*?)\]", source("goals.ts"))
    assert tuple(found) == COMPLEXITIES


def test_every_code_with_a_status_is_a_code_of_the_protocol() -> None:
    block = re.search(r"STATUS_OF_CODE[^{]*\{(.*?)\}", source("failure.ts"), re.DOTALL)
    assert block
    codes = set(re.findall(r"^\t(\w+):", block[1], re.MULTILINE))
    assert codes
    assert codes <= known_codes()


def test_the_nodes_give_no_other_code_than_the_protocols_or_their_own() -> None:
    for name in ("failure.ts", "goals.ts", "reply.ts", "transport.ts"):
        given = re.findall(r"new AtosFailure\(\s*'([a-z_]+)'", source(name))
        assert set(given) <= known_codes() | LOCAL_CODES, name


def test_errors_are_read_from_the_same_key() -> None:
    assert f"ERROR_META_KEY = '{MCP_META_KEY}'" in source("failure.ts")
