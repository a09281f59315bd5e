"""What a person reads when pip fails."""

import pytest

from atos_servers.code_runner.packages.pip_failures import explain

OFFLINE = """\
WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError(...)'
ERROR: Could not find a version that satisfies the requirement flask (from versions: none)
ERROR: No matching distribution found for flask
"""
NO_WHEEL = """\
ERROR: Could not find a version that satisfies the requirement olddist (from versions: none)
ERROR: No matching distribution found for olddist
"""


@pytest.mark.parametrize(
    ("stderr", "message"),
    [
        (OFFLINE, "no package index can be reached for flask"),
        (NO_WHEEL, "there is no wheel of olddist for this Python on this system"),
        ("/usr/bin/python: No module named pip", "pip is missing beside ATOS"),
        ("ERROR: ResolutionImpossible: for help", "flask can't be installed together"),
        ("PermissionError: an installation may not start a program", "must be built from source"),
        ("", "flask can't be installed: pip wrote nothing"),
    ],
)
def test_a_failure_is_told_in_one_sentence_with_a_next_step(stderr: str, message: str) -> None:
    error = explain(stderr, ["flask"])
    assert message in error.message
    assert error.next_step


def test_what_passes_by_itself_is_told_from_what_a_person_must_change() -> None:
    full = "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device"

    assert explain(OFFLINE, ["flask"]).retry
    assert not explain(NO_WHEEL, ["olddist"]).retry
    assert explain(full, ["flask"]).code == "no_space"


def test_a_password_of_an_index_is_not_repeated() -> None:
    error = explain("ERROR: 403 for https://me:secret@index/simple/flask", ["flask"])
    assert error.message == "flask can't be installed: ERROR: 403 for https://index/simple/flask"
