"""How a command ends where its reader has gone, or where the machine is in its way."""

import errno
import json
import os
import subprocess
from pathlib import Path

import pytest

from atos.cli.main import main
from atos_protocol.settings import load_settings
from doubles.installation import CLIENT


def test_a_reader_that_has_gone_is_no_error(atos_home: object) -> None:
    readable, writable = os.pipe()
    os.close(readable)
    with os.fdopen(writable, "wb") as nobody:
        buffered = {n: v for n, v in os.environ.items() if n != "PYTHONUNBUFFERED"}
        done = subprocess.run(
            [CLIENT, "down"], stdout=nobody, stderr=subprocess.PIPE, check=False, timeout=30,
            env=buffered,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_terminal_of_another_encoding_shows_what_it_can(atos_home: Path) -> None:
    settings = load_settings()
    settings.prepare()
    (settings.logs / "worker.log").write_text("done ✓\n", encoding="utf-8")
    done = subprocess.run(
        [CLIENT, "logs", "worker"], capture_output=True, check=False, timeout=30,
        env=os.environ | {"PYTHONIOENCODING": "latin-1"},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.endswith(b"  done ?\n")


@pytest.mark.parametrize(
    ("number", "code", "step"),
    [(errno.ENOSPC, "no_space", "Make room"), (errno.EROFS, "workspace", "read and written")],
)
def test_what_the_system_refuses_is_one_sentence_with_the_next_step(
    atos_home: object,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: int,
    code: str,
    step: str,
) -> None:
    def refused(*_: object) -> int:
        raise OSError(number, os.strerror(number), "/h/.env")

    monkeypatch.setattr("atos.cli.describing.config", refused)
    assert main(["config"]) == 1
    told = capsys.readouterr().err
    assert told.startswith(f"atos-client: /h/.env: {os.strerror(number)}\n  → ")
    assert step in told
    assert main(["config", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["error"]["code"] == code
