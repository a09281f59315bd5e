"""GGUF headers are read once per file, and the list of models never waits for all of them."""

import errno
import os
import struct
import threading
from pathlib import Path

import pytest
from inline_snapshot import snapshot

from atos_protocol.errors import LoadFailedError
from atos_protocol.settings import Settings
from atos_scheduler.engines import header_cache
from atos_scheduler.engines.gguf_header import GgufHeader, read_header
from atos_scheduler.engines.header_cache import HeaderCache
from atos_scheduler.engines.llama_cpp import LlamaCpp
from doubles.tiny_gguf import TINY, write_random


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files whose headers were parsed, in order."""
    names = list[str]()

    def counted(path: Path) -> GgufHeader:
        names.append(path.name)
        return read_header(path)

    monkeypatch.setattr(header_cache, "read_header", counted)
    return names


def test_a_header_is_parsed_once_also_across_restarts(tmp_path: Path, read: list[str]) -> None:
    model, junk = write_random(tmp_path / "a.gguf", TINY), tmp_path / "junk.gguf"
    junk.write_bytes(b"junk")
    cache = HeaderCache(tmp_path / "state" / "headers.json")
    first = cache.look([model, junk], 30)
    assert isinstance(first[model], GgufHeader)
    assert "does not begin with the letters GGUF" in str(first[junk])
    assert cache.look([model, junk], 30) == first
    assert sorted(read) == ["a.gguf", "junk.gguf"]

    again = HeaderCache(tmp_path / "state" / "headers.json")
    assert again.look([model], 30)[model] == first[model]
    assert sorted(read) == ["a.gguf", "junk.gguf"]

    os.utime(model, (1, 1))
    assert again.look([model], 30)[model] == first[model]
    assert sorted(read) == ["a.gguf", "a.gguf", "junk.gguf"]


def test_a_file_that_could_not_be_read_for_want_of_descriptors_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = write_random(tmp_path / "a.gguf", TINY)
    cache = HeaderCache(tmp_path / "headers.json")

    def scarce(path: Path) -> GgufHeader:
        raise LoadFailedError(str(path)) from OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as machine:
        machine.setattr(header_cache, "read_header", scarce)
        assert cache.look([model], 30)[model] is None
    assert isinstance(cache.look([model], 30)[model], GgufHeader)


def test_a_file_that_nobody_foresaw_keeps_no_other_from_being_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, odd = write_random(tmp_path / "a.gguf", TINY), tmp_path / "odd.gguf"
    odd.write_bytes(b"odd")
    cache = HeaderCache(tmp_path / "headers.json")

    def unforeseen(path: Path) -> GgufHeader:
        raise ZeroDivisionError(path)

    with monkeypatch.context() as machine:
        machine.setattr(header_cache, "read_header", unforeseen)
        assert "ZeroDivisionError" in str(cache.look([odd], 30)[odd])
    assert isinstance(cache.look([model], 30)[model], GgufHeader)


def test_a_number_without_end_is_a_reason_like_any_other(tmp_path: Path) -> None:
    name, place = b"x.block_count", tmp_path / "endless.gguf"
    pair = struct.pack("<Q", len(name)) + name + struct.pack("<If", 6, float("inf"))
    architecture = b"general.architecture"
    first = struct.pack("<Q", len(architecture)) + architecture
    first += struct.pack("<IQ", 8, 1) + b"x"
    place.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, 2) + first + pair)

    with pytest.raises(LoadFailedError, match="infinity"):
        read_header(place)


def test_a_damaged_cache_is_no_loss(tmp_path: Path) -> None:
    model = write_random(tmp_path / "a.gguf", TINY)
    (tmp_path / "headers.json").write_text('{"format": 1, "headers": {"x": 3}}')
    found = HeaderCache(tmp_path / "headers.json").look([model], 30)
    assert isinstance(found[model], GgufHeader)


async def test_a_model_whose_header_is_not_read_yet_is_listed_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, go_on = write_random(models_folder(tmp_path) / "slow.gguf", TINY), threading.Event()

    def slow(path: Path) -> GgufHeader:
        go_on.wait(30)
        return read_header(path)

    monkeypatch.setattr(header_cache, "read_header", slow)
    monkeypatch.setattr("atos_scheduler.engines.llama_cpp.READ_SECONDS", 0.0)
    settings = Settings(home=tmp_path, workspaces=tmp_path, gguf=(model.parent,))
    engine = LlamaCpp(settings, shipped=tmp_path / "none")
    before = [(m.name, m.size, m.context, m.details) for m in await engine.installed()]
    go_on.set()
    monkeypatch.setattr("atos_scheduler.engines.llama_cpp.READ_SECONDS", 30.0)
    (after,) = await engine.installed()
    size = model.stat().st_size
    assert before == [("slow", size, 0, {"format": "gguf", "unread": True})]
    assert (after.name, after.size, after.context) == ("slow", size, snapshot(4096))


def models_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "gguf"
    folder.mkdir()
    return folder
