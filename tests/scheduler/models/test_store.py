"""The files of one home: what counts as a model, and what does not."""

import os
from pathlib import Path

import pytest

from atos_scheduler.models import other_caches
from atos_scheduler.models.store import ModelStore, StoredModel, stem
from doubles.model_home import FILE, NAME, ModelHome


@pytest.fixture
def home(tmp_path: Path) -> ModelHome:
    return ModelHome(tmp_path, b"GGUF" + bytes(96))


def adopted(home: ModelHome) -> StoredModel:
    """Adopt a file from the partial folder."""
    folder = home.store.partial(home.download.sha256)
    folder.mkdir(parents=True)
    (folder / FILE).write_bytes(home.data)
    home.store.adopt(NAME, folder / FILE, home.download, "MIT", "mirror")
    return home.store.models()[NAME]


def test_an_adopted_file_is_moved_under_its_name_and_listed(home: ModelHome) -> None:
    found = adopted(home)
    path = home.settings.models / "tiny-1b.gguf"
    assert found == StoredModel(
        NAME, str(path), 100, home.download.sha256, path.stat().st_mtime_ns, "mirror", "MIT"
    )
    assert path.read_bytes() == home.data


@pytest.mark.parametrize("change", ["longer", "touched", "gone"])
def test_a_file_that_was_changed_since_it_was_verified_is_no_model(
    home: ModelHome, change: str
) -> None:
    path = Path(adopted(home).path)
    if change == "longer":
        path.write_bytes(home.data + b"x")
    elif change == "touched":
        os.utime(path, ns=(1, 1))
    else:
        path.unlink()
    assert home.store.models() == {}
    assert [record.name for record in home.store.records()] == [NAME]


def test_a_file_without_a_record_and_a_damaged_record_are_no_models(home: ModelHome) -> None:
    adopted(home)
    (home.settings.models / "other.gguf").write_bytes(home.data)
    (home.settings.models / "other.json").write_text('{"name": ')
    (home.settings.models / "third.json").write_text('{"name": "third"}')
    assert list(home.store.models()) == [NAME]


def test_forgetting_removes_our_file_and_never_somebody_elses(home: ModelHome) -> None:
    theirs = home.person / "blob"
    theirs.write_bytes(home.data)
    home.store.adopt(NAME, theirs, home.download, "MIT", "a cache")
    assert home.store.models()[NAME].path == str(theirs)
    assert home.store.forget(NAME)
    assert theirs.read_bytes() == home.data
    path = Path(adopted(home).path)
    assert home.store.forget(NAME)
    assert not path.exists()
    assert not home.store.forget(NAME)


@pytest.mark.parametrize("name", ["../../etc/passwd", "/abs", "..", "a/b:c", ""])
def test_no_name_leaves_the_folder(name: str) -> None:
    file = ModelStore(Path("/models")).file(name)
    assert file.parent == Path("/models")
    assert stem(name) not in {"", ".", ".."}


@pytest.mark.parametrize(
    ("place", "environ"),
    [
        (".ollama/models/blobs/sha256-{sha}", {}),
        ("elsewhere/blobs/sha256-{sha}", {"OLLAMA_MODELS": "{person}/elsewhere"}),
        (".cache/huggingface/hub/models--maker--tiny/blobs/{sha}", {}),
        ("hf/hub/models--maker--tiny/blobs/{sha}", {"HF_HOME": "{person}/hf"}),
        ("hub/models--maker--tiny/blobs/{sha}", {"HF_HUB_CACHE": "{person}/hub"}),
    ],
)
def test_other_programs_files_are_found_by_their_hash(
    home: ModelHome, place: str, environ: dict[str, str]
) -> None:
    known = {name: value.format(person=home.person) for name, value in environ.items()}
    known["HOME"] = str(home.person)
    assert other_caches.find(home.download, known) is None
    path = home.person / place.format(sha=home.download.sha256)
    path.parent.mkdir(parents=True)
    path.write_bytes(home.data[:-1])
    assert other_caches.find(home.download, known) is None, "it is not complete"
    path.write_bytes(home.data)
    found = other_caches.find(home.download, known)
    assert found is not None
    assert found[0] == path.resolve()
