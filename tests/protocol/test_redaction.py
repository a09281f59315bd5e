"""What is taken out of errors and logs, and what is left alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atos_protocol.errors import EngineError
from atos_protocol.redaction import Redaction, redacted, redacted_value, secrets_of

KEY = "sk-abcdefghijklmnop1234"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("no server at http://me:p4ss@h:80/v1", "no server at http://***@h:80/v1"),
        ("postgresql+psycopg://atos:p4ss@h/atos", "postgresql+psycopg://***@h/atos"),
        (f"wrong key: {KEY}.", "wrong key: ***."),
        ("{'Authorization': 'Bearer abc'}", "{'Authorization': 'Bearer ***'}"),
        ("Authorization: Basic bWU6cDRzcw==", "Authorization: Basic ***"),
        ("(b'authorization', 'Bearer 0123456789abcdef')", "(b'authorization', 'Bearer ***')"),
        ("ghp_abcdefghijklmnopqrstu and hf_abcdefghijklmnopqrstu", "*** and ***"),
        ("a bearer of news, basic authorization, sk-1, a@b, git@h:x", None),
        ("http://127.0.0.1:80/a@b", None),
        ("key = 'value'", None),
    ],
)
def test_what_looks_like_a_secret_is_taken_out(text: str, shown: str | None) -> None:
    assert Redaction().redacted(text) == (text if shown is None else shown)


@given(
    before=st.text(), after=st.text(), value=st.text("abcXYZ0189-_/+=@:%", min_size=8, max_size=40)
)
def test_what_is_known_is_taken_out_wherever_it_stands(before: str, after: str, value: str) -> None:
    known = Redaction()
    known.learn([value])
    assert value not in known.redacted(before + value + after).replace("***", "")


def test_values_too_short_to_be_told_from_words_are_left() -> None:
    known = Redaction()
    known.learn(["", "a", "secret"])
    assert known.redacted("a secret") == "a secret"


def test_names_of_variables_say_what_is_secret() -> None:
    environ = {
        "AWS_SECRET_ACCESS_KEY": "one", "MY_PASSWD": "two", "HTTPS_PROXY": "http://me:three@h:1",
        "ATOS_OPENAI_KEY_FILE": "/a/path", "SSH_AUTH_SOCK": "/a/socket", "PATH": "/bin", "LANG": "C",
    }  # fmt: skip
    assert secrets_of(environ) == ["one", "two", "me:three"]


def test_an_error_never_holds_one() -> None:
    error = EngineError(
        f"refused {KEY}", next_step=f"drop {KEY}", data={"sent": [KEY, 1, {"a": KEY}]}
    )
    assert (str(error), error.data) == ("refused *** drop ***", {"sent": ["***", 1, {"a": "***"}]})
    assert KEY not in repr([error, error.args, error.to_wire(), error.to_text()])


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text("ab ", max_size=5),
        lambda inner: st.lists(inner) | st.dictionaries(st.text("ab"), inner),
    )
)
def test_other_values_stay_as_they_are(value: object) -> None:
    assert redacted_value(value) == value
    assert redacted("plain") == "plain"
