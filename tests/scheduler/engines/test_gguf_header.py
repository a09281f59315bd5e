"""The header reader: right on real files, and unharmed by junk."""

import contextlib
import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from inline_snapshot import snapshot

from atos_protocol.errors import LoadFailedError
from atos_scheduler.engines.gguf_header import GgufHeader, read_header
from doubles.tiny_gguf import TINY, write_random


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_random(tmp_path_factory.mktemp("header") / "tiny.gguf", TINY)


def test_a_real_file_tells_its_facts(tiny: Path) -> None:
    assert read_header(tiny) == snapshot(
        GgufHeader(
            size=224832,
            architecture="llama",
            quantisation="F16",
            parameters=109120,
            context=4096,
            embedding=64,
            layers=2,
            heads=4,
            kv_heads=2,
            key_length=16,
            value_length=16,
            tokens=260,
            merges=1,
        )
    )


def test_a_base_model_has_no_chat_template(tmp_path: Path) -> None:
    base = write_random(tmp_path / "base.gguf", TINY, template="")
    assert (read_header(base).chat_template, read_header(base).details()["chat_template"]) == (
        False,
        False,
    )


def test_keys_and_values_cost_two_bytes_an_element_in_every_layer(tiny: Path) -> None:
    header = read_header(tiny)
    head = header.embedding // header.heads
    assert header.kv_bytes_per_token == 2 * 2 * head * header.kv_heads * header.layers


@given(at=st.integers(0, 2_000), junk=st.binary(min_size=1, max_size=16))
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_header_is_read_or_refused_but_never_breaks(
    tiny: Path, tmp_path_factory: pytest.TempPathFactory, at: int, junk: bytes
) -> None:
    whole = tiny.read_bytes()
    damaged = tmp_path_factory.getbasetemp() / "damaged.gguf"
    damaged.write_bytes(whole[:at] + junk + whole[at + len(junk) :])
    with contextlib.suppress(LoadFailedError):
        assert isinstance(read_header(damaged), GgufHeader)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "ends within"),
        (b"junk" * 10, "letters GGUF"),
        (b"GGUF" + struct.pack("<IQQ", 99, 0, 0), "version 99"),
        (b"GGUF" + struct.pack("<IQQ", 3, 2**60, 0), "tensors"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 2**60), "key-value pairs"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 2**63), "bytes in one string"),
        (b"GGUF" + struct.pack("<IQQQ1sI", 3, 0, 1, 1, b"k", 77), "unknown type 77"),
        (b"GGUF" + struct.pack("<IQQQ1sIIQ", 3, 0, 1, 1, b"k", 9, 0, 2**50), "items in one array"),
        (b"GGUF" + struct.pack("<IQQQ1sIIQ", 3, 0, 1, 1, b"k", 9, 9, 1), "array of type 9"),
    ],
)
def test_every_lie_of_a_header_is_refused_before_it_costs_memory(
    tmp_path: Path, content: bytes, why: str
) -> None:
    path = tmp_path / "lie.gguf"
    path.write_bytes(content)
    with pytest.raises(LoadFailedError, match=why):
        read_header(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(LoadFailedError, match="No such file"):
        read_header(tmp_path / "nobody.gguf")
