"""From nothing to a verified model: every source against a stand-in of its server."""

import hashlib
import threading
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

import pytest

from atos_protocol.errors import (
    AtosError,
    NoSpaceError,
    RefusedError,
    UnreachableError,
    WrongBytesError,
)
from atos_scheduler.catalogue.entries import ModelEntry
from atos_scheduler.catalogue.origin import Download
from atos_scheduler.engines.llama_cpp import LlamaCpp
from atos_scheduler.models.meter import Silent
from atos_scheduler.models.pull import Pulled, Puller
from atos_scheduler.models.sources.hugging_face import HuggingFace
from atos_scheduler.models.sources.mirror import Mirror
from atos_scheduler.models.sources.ollama import OllamaLibrary
from atos_scheduler.models.sources.source import Source
from atos_scheduler.models.sources.wheels import WheelParts
from atos_scheduler.models.survey import Machine
from doubles.fake_ollama import FakeModel, FakeOllama
from doubles.file_server import COMMIT, FileServer, wheels_of
from doubles.model_home import FILE, NAME, WHEELS, ModelHome
from doubles.tiny_gguf import write_random

pytestmark = pytest.mark.timeout(60)
GB = 10**9
LARGE = Machine("cpu", "cpu", 8 * GB, 8 * GB, 90 * GB)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_random(tmp_path_factory.mktemp("gguf") / "tiny.gguf").read_bytes()


@pytest.fixture
def home(tmp_path: Path, data: bytes, monkeypatch: pytest.MonkeyPatch) -> ModelHome:
    for name in ("OLLAMA_MODELS", "HF_HOME", "HF_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return ModelHome(tmp_path, data)


@pytest.fixture
def server(data: bytes) -> Generator[FileServer]:
    with FileServer({FILE: data}) as server:
        yield server


def entry(home: ModelHome) -> ModelEntry:
    return ModelEntry(licence="Apache-2.0", download=home.download)


def puller(
    home: ModelHome,
    sources: Sequence[Source],
    *,
    machine: Machine = LARGE,
    ollama: str = "",
) -> Puller:
    return Puller(
        home.store, lambda: machine, OllamaLibrary(ollama), sources, bool(ollama), Silent()
    )


def fetched(home: ModelHome, source: str) -> Pulled:
    path = str(home.settings.models / "tiny-1b.gguf")
    return Pulled(NAME, source, path, len(home.data), home.download.sha256)


def files(home: ModelHome) -> set[str]:
    """Return every file of the home."""
    return {str(f.relative_to(home.person)) for f in home.person.rglob("*") if f.is_file()}


async def test_a_fetched_model_is_a_model_of_the_embedded_engine_under_its_catalogue_name(
    home: ModelHome, server: FileServer
) -> None:
    engine = LlamaCpp(home.settings, shipped=home.person / "none")
    assert await engine.installed() == []
    assert puller(home, [Mirror(server.url)]).pull(NAME, entry(home)) == fetched(home, "mirror")
    (found,) = await engine.installed()
    assert (found.name, found.size, found.digest) == (NAME, len(home.data), home.download.sha256)
    home.store.forget(NAME)
    assert await engine.installed() == []


def test_the_second_pull_of_a_model_asks_nobody(home: ModelHome, server: FileServer) -> None:
    pulling = puller(home, [Mirror(server.url)])
    pulling.pull(NAME, entry(home))
    asked = len(server.asked)
    assert pulling.pull(NAME, entry(home)) == fetched(home, "here")
    assert len(server.asked) == asked


@pytest.mark.parametrize("ranges", [True, False])
def test_a_mirror_is_asked_only_for_what_is_missing(
    home: ModelHome, server: FileServer, ranges: bool
) -> None:
    server.ranges = ranges
    folder = home.store.partial(home.download.sha256) / "mirror"
    folder.mkdir(parents=True)
    (folder / FILE).write_bytes(home.data[:1000])
    assert puller(home, [Mirror(server.url)]).pull(NAME, entry(home)).source == "mirror"
    assert server.asked == [("GET", FILE, 1000 if ranges else 0)]
    assert Path(fetched(home, "").path).read_bytes() == home.data


def corrupt(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


def longer(data: bytes) -> bytes:
    return data + b"x"


def shorter(data: bytes) -> bytes:
    return data[:-1]


@pytest.mark.parametrize("spoil", [corrupt, longer, shorter])
def test_wrong_bytes_are_refused_and_nothing_of_them_stays(
    home: ModelHome, spoil: Callable[[bytes], bytes]
) -> None:
    failures = pytest.raises((WrongBytesError, UnreachableError))
    with FileServer({FILE: spoil(home.data)}) as server, failures as refused:
        puller(home, [Mirror(server.url)]).pull(NAME, entry(home))
    assert isinstance(refused.value, WrongBytesError) == (spoil is not shorter)
    assert home.store.models() == {}
    left = {f for f in files(home) if not f.endswith(".lock")}
    kept = {f".atos/models/partial/{home.download.sha256}/mirror/{FILE}"}
    assert left == (kept if spoil is shorter else set())


def test_after_a_source_with_wrong_bytes_the_next_one_is_asked(
    home: ModelHome, server: FileServer
) -> None:
    with FileServer({FILE: corrupt(home.data)}) as wrong:
        sources = [Mirror(wrong.url), Mirror(server.url)]
        assert puller(home, sources).pull(NAME, entry(home)) == fetched(home, "mirror")


def test_where_no_source_can_be_reached_every_reason_is_said(home: ModelHome) -> None:
    sources = [Mirror("http://127.0.0.1:9"), Mirror("")]
    with pytest.raises(UnreachableError) as failed:
        puller(home, sources).pull(NAME, entry(home))
    assert "http://127.0.0.1:9 can't be used" in failed.value.message
    assert "no mirror is named (ATOS_MODEL_MIRROR)" in failed.value.message
    assert "ATOS_MODEL_SOURCES=wheels" in failed.value.next_step


@pytest.mark.parametrize(
    ("machine", "error"),
    [
        (Machine("cpu", "cpu", 1000, 1000, 90 * GB), RefusedError),
        (Machine("cpu", "cpu", 8 * GB, 8 * GB, 1000), NoSpaceError),
    ],
)
def test_what_can_not_fit_is_refused_before_the_first_byte(
    home: ModelHome, server: FileServer, machine: Machine, error: type[AtosError]
) -> None:
    with pytest.raises(error):
        puller(home, [Mirror(server.url)], machine=machine).pull(NAME, entry(home))
    assert server.asked == []


def test_a_disk_that_fills_up_is_one_clear_error_and_what_arrived_is_kept(
    home: ModelHome, server: FileServer
) -> None:
    class Full(Mirror):
        def fetch(self, wanted: Download, folder: Path) -> Path:
            folder.mkdir(parents=True)
            (folder / wanted.file).write_bytes(home.data[:500])
            raise OSError(28, "No space left on device", str(folder / wanted.file))

    with pytest.raises(NoSpaceError, match="is full"):
        puller(home, [Full(server.url)]).pull(NAME, entry(home))
    assert home.partial_bytes() == 500
    puller(home, [Mirror(server.url)]).pull(NAME, entry(home))
    assert server.asked == [("GET", FILE, 500)]


def test_hugging_face_is_asked_for_the_pinned_commit_and_nothing_else_is_written(
    home: ModelHome, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", server.url)
    monkeypatch.setattr(
        "huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE",
        server.url + "/{repo_id}/resolve/{revision}/{filename}",
    )
    assert puller(home, [HuggingFace()]).pull(NAME, entry(home)) == fetched(home, "huggingface")
    assert {method for method, _, _ in server.asked} == {"HEAD", "GET"}
    lock = f".atos/models/partial/{home.download.sha256}.lock"
    assert files(home) == {".atos/models/tiny-1b.gguf", ".atos/models/tiny-1b.json", lock}


def test_hugging_face_with_another_file_is_refused_before_the_first_byte(
    home: ModelHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FileServer({FILE: corrupt(home.data)}) as server:
        monkeypatch.setattr(
            "huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE",
            server.url + "/{repo_id}/resolve/{revision}/{filename}",
        )
        with pytest.raises(WrongBytesError, match="has another tiny-q4"):
            puller(home, [HuggingFace()]).pull(NAME, entry(home))
    assert [method for method, _, _ in server.asked] == ["HEAD"]


def test_a_model_without_a_pinned_commit_is_not_asked_of_hugging_face(home: ModelHome) -> None:
    loose = home.download.model_copy(update={"revision": ""})
    assert HuggingFace().lacks(loose) == "no revision of it is pinned"
    assert HuggingFace().lacks(home.download) == ""
    assert COMMIT[:12] in HuggingFace().describe(home.download)


def test_wheels_are_joined_and_never_installed(
    home: ModelHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut = len(home.data) // 3
    parts = [home.data[:cut], home.data[cut : 2 * cut], home.data[2 * cut :]]
    with FileServer(wheels_of(WHEELS.package, WHEELS.version, parts)) as server:
        monkeypatch.setenv("PIP_INDEX_URL", f"{server.url}/simple")
        monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
        monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
        monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
        found = puller(home, [WheelParts()]).pull(NAME, entry(home))
    assert found == fetched(home, "wheels")
    assert Path(found.path).read_bytes() == home.data
    lock = f".atos/models/partial/{home.download.sha256}.lock"
    assert files(home) == {".atos/models/tiny-1b.gguf", ".atos/models/tiny-1b.json", lock}


def test_a_wheel_that_holds_too_much_is_refused(
    home: ModelHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = [home.data + b"more", b"", b""]
    with FileServer(wheels_of(WHEELS.package, WHEELS.version, parts)) as server:
        monkeypatch.setenv("PIP_INDEX_URL", f"{server.url}/simple")
        monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
        with pytest.raises(WrongBytesError, match="holds more bytes than the model has left"):
            puller(home, [WheelParts()]).pull(NAME, entry(home))
    assert home.partial_bytes() == 0


def test_a_model_that_ollama_has_counts_as_here(home: ModelHome, server: FileServer) -> None:
    with FakeOllama([FakeModel(f"{NAME}-instruct")]) as ollama:
        known = ModelEntry(download=home.download, aliases=(f"{NAME}-instruct",))
        pulling = puller(home, [Mirror(server.url)], ollama=ollama.url)
        assert pulling.pull(NAME, known) == Pulled(NAME, "here")
    assert server.asked == []


def test_where_ollama_runs_it_pulls(home: ModelHome, server: FileServer) -> None:
    with FakeOllama([], library={NAME: 4000}) as ollama:
        pulling = puller(home, [Mirror(server.url)], ollama=ollama.url)
        assert pulling.pull(NAME, entry(home)) == Pulled(NAME, "ollama", bytes=4000)
        assert pulling.pull(NAME, entry(home)) == Pulled(NAME, "here")
    assert server.asked == []


def test_what_ollama_can_not_pull_comes_from_the_next_source(
    home: ModelHome, server: FileServer
) -> None:
    with FakeOllama([]) as ollama:
        pulling = puller(home, [Mirror(server.url)], ollama=ollama.url)
        assert pulling.pull(NAME, entry(home)) == fetched(home, "mirror")


def test_a_model_without_a_known_hash_comes_by_ollama_only(
    home: ModelHome, server: FileServer
) -> None:
    with pytest.raises(UnreachableError, match="only Ollama can fetch it"):
        puller(home, [Mirror(server.url)]).pull(NAME, ModelEntry())
    with FakeOllama([], library={NAME: 4000}) as ollama:
        pulled = puller(home, [], ollama=ollama.url).pull(NAME, ModelEntry())
    assert pulled == Pulled(NAME, "ollama", bytes=4000)


def test_another_programs_file_is_used_where_it_lies(home: ModelHome, server: FileServer) -> None:
    blob = home.person / ".ollama" / "models" / "blobs" / f"sha256-{home.download.sha256}"
    blob.parent.mkdir(parents=True)
    blob.write_bytes(home.data)
    before = blob.stat()
    pulled = puller(home, [Mirror(server.url)]).pull(NAME, entry(home))
    assert (pulled.path, server.asked) == (str(blob), [])
    assert blob.stat() == before
    assert list(home.store.models()) == [NAME]


def test_another_programs_damaged_file_is_left_alone_and_the_model_fetched(
    home: ModelHome, server: FileServer
) -> None:
    blob = home.person / ".ollama" / "models" / "blobs" / f"sha256-{home.download.sha256}"
    blob.parent.mkdir(parents=True)
    blob.write_bytes(corrupt(home.data))
    assert puller(home, [Mirror(server.url)]).pull(NAME, entry(home)) == fetched(home, "mirror")
    assert blob.read_bytes() == corrupt(home.data)


@pytest.mark.parametrize("right", [True, False])
def test_a_complete_file_without_a_record_is_verified_and_not_believed(
    home: ModelHome, server: FileServer, right: bool
) -> None:
    file = home.store.file(NAME)
    file.parent.mkdir(parents=True)
    file.write_bytes(home.data if right else corrupt(home.data))
    pulled = puller(home, [Mirror(server.url)]).pull(NAME, entry(home))
    assert pulled.source == ("here" if right else "mirror")
    assert hashlib.sha256(file.read_bytes()).hexdigest() == home.download.sha256


def test_two_pulls_at_once_are_one(home: ModelHome, server: FileServer) -> None:
    server.hold_at = 2000
    pulled: list[Pulled] = []

    def pull() -> None:
        pulled.append(puller(home, [Mirror(server.url)]).pull(NAME, entry(home)))

    first = threading.Thread(target=pull)
    first.start()
    assert server.held.wait(10)
    second = threading.Thread(target=pull)
    second.start()
    server.release()
    first.join(20)
    second.join(20)
    assert sorted(p.source for p in pulled) == ["another process", "mirror"] or sorted(
        p.source for p in pulled
    ) == ["here", "mirror"]
    assert server.asked == [("GET", FILE, 0)]


def test_nothing_is_a_model_while_it_arrives(home: ModelHome, server: FileServer) -> None:
    server.hold_at = len(home.data) - 1
    thread = threading.Thread(
        target=lambda: puller(home, [Mirror(server.url)]).pull(NAME, entry(home))
    )
    thread.start()
    assert server.held.wait(10)
    assert home.store.models() == {}
    assert not home.store.file(NAME).exists()
    server.release()
    thread.join(20)
    assert list(home.store.models()) == [NAME]
