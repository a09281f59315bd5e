"""The process behind `atos-client models`: JSON, lines and exit codes."""

import json
from pathlib import Path

import pytest

from atos_scheduler.models.sizes import bytes_text
from doubles.file_server import FileServer
from doubles.model_home import FILE, NAME, ModelHome
from doubles.tiny_gguf import write_random

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def home(tmp_path: Path) -> ModelHome:
    made = ModelHome(tmp_path, write_random(tmp_path / "published.gguf").read_bytes())
    made.write_catalogue()
    return made


def test_a_model_is_proposed_fetched_listed_verified_and_removed(home: ModelHome) -> None:
    with FileServer({FILE: home.data}) as server:
        mirror = {"ATOS_MODEL_SOURCES": "mirror", "ATOS_MODEL_MIRROR": server.url}
        _, offer, _ = home.run("offer", **mirror)
        assert (offer["name"], offer["notes"]) == (NAME, [])
        assert offer["text"].startswith(f"{NAME} (")
        assert ", Apache-2.0, fits: needs " in offer["text"]
        assert home.run("pull", **mirror)[1]["name"] == NAME
        assert home.run("offer", **mirror)[1] is None
    row = next(m for m in home.run("list")[1]["models"] if m["name"] == NAME)
    assert (row["here"], row["permissive"], row["verified"]) == ("atos", True, True)
    assert home.run("verify")[:2] == (0, {NAME: ""})
    assert home.run("remove", NAME)[:2] == (0, {"removed": NAME})
    assert home.run("verify", NAME)[0] == 2


def test_verify_finds_a_file_that_was_changed_and_exits_1(home: ModelHome) -> None:
    with FileServer({FILE: home.data}) as server:
        home.run("pull", NAME, ATOS_MODEL_SOURCES="mirror", ATOS_MODEL_MIRROR=server.url)
    file = home.store.file(NAME)
    file.write_bytes(home.data[:-1] + b"!")
    code, found, _ = home.run("verify", NAME)
    assert code == 1
    assert "has the sha256" in found[NAME]
    file.write_bytes(home.data)
    assert home.store.models() == {}, "it was touched, so it has to be verified first"
    assert home.run("verify", NAME)[:2] == (0, {NAME: ""})
    assert list(home.store.models()) == [NAME]


@pytest.mark.parametrize(
    ("arguments", "environment", "code", "error"),
    [
        (("pull", "ghost"), {}, 2, "not_found"),
        (("remove", NAME), {}, 2, "not_found"),
        (("pull", NAME), {"ATOS_BUDGET": "1000"}, 1, "refused"),
        (("pull",), {"ATOS_BUDGET": "1000"}, 3, "no_model"),
        (("pull", NAME), {"ATOS_MODEL_MIRROR": "http://127.0.0.1:9"}, 1, "unreachable"),
        (("list",), {"ATOS_MODEL_SOURCES": "cloud"}, 2, "bad_config"),
    ],
)
def test_every_failure_has_its_exit_code_and_a_next_step(
    home: ModelHome,
    arguments: tuple[str, ...],
    environment: dict[str, str],
    code: int,
    error: str,
) -> None:
    plain = {"ATOS_MODEL_SOURCES": "mirror"} | environment
    found, printed, _ = home.run(*arguments, **plain)
    assert (found, printed["error"]["code"]) == (code, error)
    assert printed["error"]["next"]


def test_without_a_terminal_progress_is_lines_and_the_source_is_named(home: ModelHome) -> None:
    with FileServer({FILE: home.data}) as server:
        process = home.start(
            "pull", NAME, ATOS_MODEL_SOURCES="mirror", ATOS_MODEL_MIRROR=server.url
        )
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert f"from: the mirror at {server.url}" in err
    assert "\r" not in err
    assert out == (
        f"{NAME} is ready ({bytes_text(len(home.data))},"
        f" sha256 {home.download.sha256[:16]}... verified) {home.store.file(NAME)}\n"
    )


def test_what_strangers_publish_is_said_at_the_question(home: ModelHome) -> None:
    offer = home.run("offer", ATOS_MODEL_SOURCES="wheels")[1]
    assert "published by strangers" in json.dumps(offer["notes"])
