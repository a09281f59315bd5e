"""`atos-client models`, and the question that a goal asks where no model can do it."""

import json
import os
import pty
import select
import time
from collections.abc import Iterator

import pytest

from atos.cli.commands import parser
from doubles.file_server import FileServer
from doubles.installation import CLIENT, Installation
from doubles.model_home import FILE, NAME, ModelHome
from doubles.tiny_gguf import write_random

pytestmark = pytest.mark.timeout(120)
GOAL = "Write a haiku generator with a web page"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FileServer]:
    file = tmp_path_factory.mktemp("published") / "published.gguf"
    with FileServer({FILE: write_random(file).read_bytes()}) as server:
        yield server


@pytest.fixture(scope="module")
def installation(server: FileServer) -> Iterator[Installation]:
    mirror = {"ATOS_MODEL_SOURCES": "mirror", "ATOS_MODEL_MIRROR": server.url}
    made = Installation(**mirror)
    ModelHome(made.person, server.files[FILE]).write_catalogue()
    made.run("up", timeout=110)
    yield made
    made.close()


@pytest.fixture
def atos(installation: Installation, server: FileServer) -> Installation:
    """The installation without a model; its daemons go on from test to test."""
    installation.run("models", "remove", NAME)
    server.asked.clear()
    return installation


def on_a_terminal(atos: Installation, *arguments: str, **answers: str) -> tuple[int, str]:
    """Run the client on a terminal, answer its questions by their words, once each; return exit code and screen."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(atos.person)
        os.execve(CLIENT, [CLIENT, *arguments], atos.environment)
    screen, deadline = "", time.monotonic() + 90
    while time.monotonic() < deadline:
        if not select.select([terminal], [], [], 1.0)[0]:
            continue
        try:
            piece = os.read(terminal, 1 << 16)
        except OSError:  # how Linux reports that the other end has gone
            break
        screen += piece.decode("utf-8", "replace")
        for word in [word for word in answers if word in screen.rpartition("\n")[2]]:
            os.write(terminal, answers.pop(word).encode() + b"\n")
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), screen


def test_without_a_terminal_the_one_command_is_said_and_nothing_fetched(
    atos: Installation, server: FileServer
) -> None:
    done = atos.run("build", GOAL)
    assert done.returncode == 3
    assert f": atos-client models pull {NAME}\n" in done.stderr
    assert server.asked == []


def test_pull_answers_yes_and_the_goal_is_started_with_the_new_model(
    atos: Installation, server: FileServer
) -> None:
    done = atos.run("build", "--pull", "--detach", "--json", GOAL, timeout=100)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["goal"] == GOAL
    assert server.asked == [("GET", FILE, 0)]
    listed = json.loads(atos.run("models", "list", "--json").stdout)["models"]
    assert [row["name"] for row in listed if row["here"]] == [NAME]
    atos.run("cancel")


def test_on_a_terminal_it_asks_with_size_licence_and_fit_and_goes_on(
    atos: Installation,
) -> None:
    code, screen = on_a_terminal(atos, "build", "--detach", GOAL, Download="", Example="")
    assert code == 0, screen
    question = next(line for line in screen.splitlines() if "[Y/n]" in line)
    assert question.startswith(f"Download {NAME} (")
    assert ", Apache-2.0, fits: needs " in question
    after = screen.partition("[Y/n]")[2]
    assert "Example:" in after, "with the model there, an example is asked for"
    assert "started " in after.partition("Example:")[2]
    atos.run("cancel")


def test_a_no_on_a_terminal_ends_with_3_and_fetches_nothing(
    atos: Installation, server: FileServer
) -> None:
    code, screen = on_a_terminal(atos, "build", GOAL, Download="n")
    assert code == 3
    assert f"atos-client models pull {NAME}" in screen
    assert server.asked == []


@pytest.mark.parametrize(
    "arguments", [["models"], ["models", "dance"], ["models", "remove"], ["models", "list", "x"]]
)
def test_wrong_usage_is_refused_before_anything_starts(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        parser().parse_args(arguments)
    assert refused.value.code == 2
