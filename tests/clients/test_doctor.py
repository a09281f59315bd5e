"""What the doctor finds, on a real installation."""

import json
from collections.abc import Iterator

import pytest

from doubles.installation import Installation

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(scope="module")
def atos() -> Iterator[Installation]:
    installation = Installation()
    yield installation
    installation.close()


def test_it_names_rung_models_and_what_to_do_next(atos: Installation) -> None:
    done = atos.run("doctor", "--json")
    found = {finding["what"]: finding for finding in json.loads(done.stdout)}
    assert done.returncode == 0
    assert {w: f["state"] for w, f in found.items() if w in {"system", "git", "daemons", "sandbox"}} == {
        "system": "ok", "git": "ok", "daemons": "ok", "sandbox": "ok",
    }  # fmt: skip
    assert found["sandbox"]["detail"].split(":")[0] in {"bwrap", "landlock", "seccomp"}
    assert found["models"]["todo"].startswith("atos-client models pull ")
    assert "qwen2.5-coder:0.5b" in found["would fit"]["detail"]


def test_it_says_what_is_broken_and_exits_1() -> None:
    broken = Installation(ATOS_GGUF="/nowhere/one.gguf:/elsewhere/one.gguf")
    try:
        done = broken.run("doctor")
        assert done.returncode == 1
        assert "✗ scheduler" in done.stdout
        assert "two models 'one'" in done.stdout
    finally:
        broken.close()
