"""`atos-client token`: what it prints, and that it prints a token once."""

import json
from pathlib import Path

import pytest

from atos.cli.main import main
from atos_protocol.settings import load_settings
from atos_protocol.tokens import digest, named_tokens


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("ATOS_HOME", raising=False)


def test_a_token_is_shown_when_it_is_made_and_never_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["token", "add", "n8n", "--workspaces", str(tmp_path)]) == 0
    token, hint = capsys.readouterr().out.splitlines()
    (kept,) = named_tokens(load_settings())
    assert (kept.sha256, kept.workspaces) == (digest(token.encode()), (str(tmp_path),))
    assert hint.startswith("The token of n8n, shown only now.")
    assert main(["token", "list"]) == 0
    listed = capsys.readouterr().out
    assert [line.split()[0] for line in listed.splitlines()] == ["default", "n8n"]
    assert token not in listed
    assert str(tmp_path) in listed


def test_every_action_has_machine_readable_output(capsys: pytest.CaptureFixture[str]) -> None:
    def printed(*arguments: str) -> dict[str, object]:
        assert main(["token", *arguments, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    added = printed("add", "n8n")
    rotated = printed("rotate", "n8n")
    assert added["name"] == rotated["name"] == "n8n"
    assert added["token"] != rotated["token"]
    (kept,) = named_tokens(load_settings())
    rows: list[dict[str, object]] = [{"name": "n8n", "created": kept.created, "workspaces": []}]
    assert printed("list") == {"tokens": [{"name": "default"}, *rows]}
    assert printed("revoke", "n8n") == {"revoked": "n8n"}
    assert printed("rotate")["token"] == load_settings().token_file.read_text()


def test_an_unknown_name_is_one_sentence_with_the_next_step(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["token", "revoke", "nobody"]) != 0
    assert capsys.readouterr().err.splitlines() == [
        "atos-client: there is no token 'nobody'",
        "  → There are: default.",
    ]
