"""An audit that audited nothing is not called a success, and a vulnerability fails it."""

import json
from typing import Any

import pytest

from audit import Outcome, outcome

CLEAN: dict[str, Any] = {"name": "anyio", "version": "4.11.0", "vulns": []}
SKIPPED = {"name": "dbos", "skip_reason": "Dependency not found on PyPI"}
BAD: dict[str, Any] = {
    "name": "pip",
    "version": "20",
    "vulns": [{"id": "PYSEC-1", "fix_versions": ["21.1"]}],
}


def said(*packages: object) -> str:
    return json.dumps({"dependencies": packages, "fixes": []})


@pytest.mark.parametrize(
    ("status", "out", "err", "told"),
    [
        (0, said(CLEAN, SKIPPED), "", Outcome(0, "0 known vulnerabilities in 1 of 2 packages")),
        (1, said(CLEAN, BAD), "", Outcome(1, "1 known vulnerabilities in 2 of 2 packages\n"
                                             "pip 20: PYSEC-1, mended in 21.1")),
        (0, said(SKIPPED, SKIPPED), "", Outcome(0, "no audit: the service knows none of 2 packages")),
        (1, "", "x\npip_audit._service.interface.ConnectionError: no route",
         Outcome(0, "no audit: no service of vulnerabilities answers "
                    "(pip_audit._service.interface.ConnectionError: no route)")),
        (1, "", "KeyError: 'x'", Outcome(2, "pip-audit ended with 1: KeyError: 'x'")),
    ],
    ids=["clean", "vulnerable", "all skipped", "no service", "broken"],
)  # fmt: skip
def test_it_is_told_as_what_it_is(status: int, out: str, err: str, told: Outcome) -> None:
    assert outcome(status, out, err) == told
