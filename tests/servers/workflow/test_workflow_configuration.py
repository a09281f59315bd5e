"""`workflows.yaml`: what it may say, and how a mistake is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from atos_protocol.errors import BadConfigError
from atos_servers.workflow.configuration import EXAMPLE, Secret, Workflow, parse, read

PATH = Path("/home/ada/.atos/workflows.yaml")
FULL = """\
workflows:
  - name: report
    url: https://n8n.example/webhook/abc?x=1
    description: Sends a report
    method: PUT
    timeout: 12.5
    secret: {header: x-key, file: ~/keys/n8n}
  - name: deploy
    url: http://127.0.0.1:5678/webhook/deploy
    secret: {header: Authorization, env: N8N_KEY}
"""


def test_every_field_is_read_and_what_is_left_out_has_a_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    assert parse(FULL, PATH) == snapshot(
        (
            Workflow(
                name="report",
                url="https://n8n.example/webhook/abc?x=1",
                description="Sends a report",
                method="PUT",
                timeout=12.5,
                secret=Secret(
                    header="x-key",
                    env="",
                    file=Path("/home/ada/keys/n8n"),
                    where="/home/ada/.atos/workflows.yaml, line 7, workflows[0].secret",
                ),
            ),
            Workflow(
                name="deploy",
                url="http://127.0.0.1:5678/webhook/deploy",
                description="",
                method="POST",
                timeout=40.0,
                secret=Secret(
                    header="Authorization",
                    env="N8N_KEY",
                    file=None,
                    where="/home/ada/.atos/workflows.yaml, line 10, workflows[1].secret",
                ),
            ),
        )
    )


def test_the_example_that_errors_show_is_valid() -> None:
    assert [w.name for w in parse(EXAMPLE, PATH)] == ["report"]


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "workflows: []\n"])
def test_a_file_that_says_nothing_configures_nothing(text: str) -> None:
    assert parse(text, PATH) == ()


NO_SOURCE = "does not fit It needs either `file`"


def _entry(line: str, url: str = "http://127.0.0.1:1/x") -> str:
    return f"workflows:\n  - name: a\n    url: {url}\n    {line}\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("workflows: {", "line 1: not valid YAML: "),
        ("[1, 2]", "line 1: must be a mapping of fields Known are: workflows."),
        ("workflow: []", "line 1, workflow: unknown field Known are: workflows."),
        ("workflows: all", "line 1, workflows: does not fit It should be a list"),
        ("workflows:\n  - report", "line 2, workflows[0]: must be a mapping"),
        ("workflows:\n  - url: http://a/b", "line 2, workflows[0].name: is missing"),
        ("workflows:\n  - name: a", "line 2, workflows[0].url: is missing"),
        ("workflows:\n  - name: Über uns\n", "line 2, workflows[0].name: does not fit"),
        (_entry("urgent: yes"), "line 4, workflows[0].urgent: unknown field"),
        (_entry("name: b"), "line 4, workflows[0].name: written twice"),
        (_entry("method: DELETE"), "line 4, workflows[0].method: does not fit"),
        (_entry("timeout: 41"), "line 4, workflows[0].timeout: does not fit"),
        (_entry("timeout: 0"), "line 4, workflows[0].timeout: does not fit"),
        (_entry("timeout: nan"), "line 4, workflows[0].timeout: does not fit"),
        (_entry("description: [a]"), "line 4, workflows[0].description: does not fit"),
        (_entry("secret: abc"), "line 4, workflows[0].secret: must be a mapping"),
        (_entry("secret: {env: A}"), "line 4, workflows[0].secret.header: is missing"),
        (_entry('secret: {header: "a: b", env: A}'), "workflows[0].secret.header: does not fit"),
        (_entry("secret: {header: a, file: ~nobody-here/f}"), "workflows[0].secret.file: does not"),
        (_entry("secret: {header: a}"), f"line 4, workflows[0].secret: {NO_SOURCE}"),
        (_entry("secret: {header: a, env: A, file: f}"), NO_SOURCE),
        (_entry("secret: {header: a, value: v}"), "line 4, workflows[0].secret.value: unknown"),
        (
            "workflows:\n" + "  - {name: a, url: 'http://a/b'}\n" * 2,
            "line 3, workflows[1].name: wri",
        ),
    ],
)
def test_a_mistake_is_reported_with_file_line_and_field(text: str, told: str) -> None:
    with pytest.raises(BadConfigError) as caught:
        parse(text, PATH)
    assert str(PATH) in caught.value.message
    assert told in str(caught.value)
    assert caught.value.next_step


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://127.0.0.1/x",
        "127.0.0.1:5678/x",
        "http://",
        "http://user:pw@host/x",
        "http://host:99999/x",
        '"http://host/a b"',
        '"http://host/\\nHost: other"',
    ],
)
def test_only_plain_web_addresses_are_taken_and_a_password_is_not_echoed(url: str) -> None:
    with pytest.raises(BadConfigError) as caught:
        parse(_entry("method: POST", url), PATH)
    assert "line 3, workflows[0].url: does not fit" in caught.value.message
    assert "pw" not in str(caught.value).replace("password", "")


@pytest.mark.parametrize(
    "text",
    [
        "url:http://user:pw@host/x",
        "workflows: http://user:pw@host/x",
        "workflows:\n  - url:http://user:pw@host/x",
        "workflows:\n  - name: a\n      url:http://user:pw@host/x",
        _entry("secret: pw"),
        _entry("secret: {header: 'x-key: pw', env: A}"),
        _entry("secret: {header: x-key, env: -pw}"),
    ],
)
def test_what_may_be_a_secret_in_the_wrong_field_is_not_echoed(text: str) -> None:
    with pytest.raises(BadConfigError) as caught:
        parse(text, PATH)
    assert "pw" not in str(caught.value)
    assert caught.value.__suppress_context__, "pydantic's own error would show values in a log"


@pytest.mark.parametrize(
    ("line", "step"),
    [
        ("method: DELETE", "Input should be 'POST', 'GET', 'PUT' or 'PATCH'."),
        ("timeout: 41", "It should be seconds, above 0 and at most 40."),
        ("secret: {env: A}", "It should be a header's name."),
        ("secret: {header: a, value: v}", "Known are: env, file, header."),
    ],
)
def test_the_next_step_says_what_fits(line: str, step: str) -> None:
    error = _refusal(_entry(line))
    assert error
    assert error.next_step == step


@given(st.text(max_size=200))
def test_any_text_is_either_read_or_refused_with_its_file_named(text: str) -> None:
    error = _refusal(text)
    assert error is None or str(PATH) in error.message


def _refusal(text: str) -> BadConfigError | None:
    try:
        parse(text, PATH)
    except BadConfigError as error:
        return error
    return None


def test_a_file_that_is_not_text_is_reported_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "workflows.yaml"
    path.write_bytes(b"workflows:\n  - name: \xff\n")
    with pytest.raises(BadConfigError, match="line 2: not UTF-8 text"):
        read(path)


def test_a_huge_file_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    path = tmp_path / "workflows.yaml"
    path.write_bytes(b"#" * 300_000)
    with pytest.raises(BadConfigError, match="more than 262144 bytes"):
        read(path)


def test_a_missing_file_configures_nothing(tmp_path: Path) -> None:
    assert read(tmp_path / "workflows.yaml") == ()


def test_a_secret_is_read_from_its_file_or_variable(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("abc\n")
    (tmp_path / "key").chmod(0o600)
    assert Secret("h", "", tmp_path / "key", "").value() == "abc"
    assert Secret("h", "KEY", None, "").value({"KEY": "abc"}) == "abc"


@pytest.mark.parametrize("content", ["", "two\nlines", "naïve", "\x00"])
def test_a_secret_that_no_header_can_carry_is_refused_without_being_quoted(
    content: str, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text(content)
    (tmp_path / "key").chmod(0o600)
    with pytest.raises(BadConfigError) as caught:
        Secret("h", "", tmp_path / "key", "FILE, line 3, secret").value()
    assert "FILE, line 3, secret" in caught.value.message
    assert not content or content not in str(caught.value)


def test_a_secret_that_is_not_there_names_where_it_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(BadConfigError, match=r"line 3, secret: .*gone can't be read: No such file"):
        Secret("h", "", tmp_path / "gone", "FILE, line 3, secret").value()
    with pytest.raises(BadConfigError, match="line 3, secret: the secret is empty, unset"):
        Secret("h", "GONE", None, "FILE, line 3, secret").value({})
