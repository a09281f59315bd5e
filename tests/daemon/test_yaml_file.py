"""Settings files: what is refused whatever the model, and how a mistake is told."""

from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, Field

from atos_daemon.yaml_file import load_yaml, parse_yaml
from atos_protocol.errors import BadConfigError

PATH = Path("/home/ada/.atos/colours.yaml")


class _Colour(BaseModel):
    model_config = ConfigDict(extra="forbid")
    code: str = Field(max_length=6, description="six digits")
    amount: int = 1


class _Colours(BaseModel):
    model_config = ConfigDict(extra="forbid")
    colours: dict[str, _Colour] = {}
    chosen: tuple[_Colour, ...] = ()
    other: _Colour | None = None
    hidden: _Colour | None = Field(default=None, repr=False)


def refusal(text: str) -> BadConfigError:
    with pytest.raises(BadConfigError) as caught:
        parse_yaml(text, PATH, _Colours)
    return caught.value


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("colours:\n  a: {code: f}\n  a: {code: g}\n", ", line 3, colours.a: written twice"),
        ("chosen:\n- code: f\n  code: f\n", ", line 3, chosen[0].code: written twice"),
        ("colours: {a: {code: f}\n", ", line 2: not valid YAML: expected ',' or '}'"),
        ("colours: {}\n--- \nother: {}\n", ", line 2: not valid YAML: but found another document"),
        ("other: {}\nchosen: \x00\n", ", line 2: not valid YAML: special characters"),
        ('other: "\\UFFFFFFFF"\n', ", line 1: not valid YAML: nested too deeply, or a character"),
        (f"colours: {'[' * 5000}", ", line 1: not valid YAML: nested too deeply"),
        ("colours:\n  a: &a [*a]\n", ", line 2, colours.a: nested too deeply"),
        ("a: !!python/object:os.system {}\n", ", line 1, a: unknown field"),
        ("? [a, b]\n: c\n", ", line 1, ["),
        ("- a\n", ", line 1: must be a mapping of fields"),
        ("chosen:\n- amount: 2\n", ", line 2, chosen[0].code: is missing"),
        ("other:\n  code: 12\n  amount: many\n", ", line 3, other.amount: 'many' does not fit"),
    ],
)
def test_a_mistake_is_named_with_file_line_and_field(text: str, complaint: str) -> None:
    error = refusal(text)
    assert error.message.startswith(f"{PATH}{complaint}")
    assert error.next_step


def test_references_to_references_are_refused_before_they_fill_the_memory() -> None:
    lines = ["a0: &a0 [x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    assert "nested too deeply" in refusal("\n".join(lines)).message


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ("other: {code: a, size: 1}", "Known are: amount, code."),
        ("chosen: [a]", "Known are: amount, code."),
        ("shades: {}", "Known are: chosen, colours, hidden, other."),
        ("colours: {a: {}}", "It should be six digits."),
        ("colours: {a: {code: too long}}", "It should be six digits."),
    ],
)
def test_the_next_step_says_what_fits(text: str, step: str) -> None:
    assert refusal(text).next_step == step


def test_a_secret_value_is_not_shown_and_neither_is_one_inside_it() -> None:
    for text in ("hidden: abc", "hidden: {code: abcdefgh}", "hidden: {code: a, amount: abc}"):
        assert "abc" not in str(refusal(text))


def test_a_value_comes_with_its_place() -> None:
    text = "other:\n  code: 010\nchosen:\n  - code: a\n  - {code: b}\n"
    found, places = parse_yaml(text, PATH, _Colours)
    assert [c.code for c in found.chosen] == ["a", "b"]
    assert found.other == _Colour(code="010")
    assert places.where("chosen", 1) == f"{PATH}, line 5, chosen[1]"
    assert places.where("other", "amount") == f"{PATH}, line 1, other.amount"
    assert places.where() == f"{PATH}, line 1"


@pytest.mark.parametrize(
    ("content", "line"), [(b"\xff\xfe\x00", 1), (b"other:\n  code: \xff\n", 2)]
)
def test_bytes_that_are_no_text_are_named_with_their_line(
    content: bytes, line: int, tmp_path: Path
) -> None:
    path = tmp_path / "colours.yaml"
    path.write_bytes(content)
    with pytest.raises(BadConfigError, match=rf"colours\.yaml, line {line}: not UTF-8 text"):
        load_yaml(path, _Colours)


def test_a_huge_file_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    path = tmp_path / "colours.yaml"
    path.write_bytes(b"#" * 262_144)
    assert load_yaml(path, _Colours)[0] == _Colours()
    path.write_bytes(b"[" * 262_145)
    with pytest.raises(BadConfigError, match=r"colours\.yaml has more than 262144 bytes"):
        load_yaml(path, _Colours)


def test_what_cannot_be_read_is_an_error_and_what_is_missing_is_empty(tmp_path: Path) -> None:
    assert load_yaml(tmp_path / "missing.yaml", _Colours)[0] == _Colours()
    with pytest.raises(BadConfigError, match="can't be read: Is a directory"):
        load_yaml(tmp_path, _Colours)
