"""What looks like a secret is found, and what only talks of one is not."""

import pytest

from atos_servers.deployment.secret_scan import secrets_in


@pytest.mark.parametrize(
    ("file", "text", "found"),
    [
        ("a.py", "x = 1\nkey = 'AKIA" + "ABCDEFGHIJKLMNOP'\n", ["a.py, line 2: an AWS access key"]),
        ("a.py", "t = 'ghp_" + "a1" * 18 + "'", ["a.py, line 1: a GitHub token"]),
        ("id.txt", "-----BEGIN OPENSSH PRIVATE KEY-----", ["id.txt, line 1: a private key"]),
        ("c.yml", "db: postgres://me:hunter2hunter2@db/x", ["c.yml, line 1: a password in an address"]),
        ("c.json", '{"password": "correct horse"}', []),
        ("c.json", '{"password": "correcthorse"}', ["c.json, line 1: a password or key"]),
        (".env", "A=1", [".env: a file of this name holds secrets"]),
        ("x/.env.example", "A=1", []),
        ("deploy.pem", "", ["deploy.pem: a file of this name holds secrets"]),
        ("a.py", 'api_key = os.environ["API_KEY"]', []),
        ("a.py", 'api_key = "your-api-key-here"', []),
        ("a.py", 'password = f"{secret}"', []),
        ("a.py", "sha = '" + "0123456789abcdef" * 4 + "'", []),
    ],
)  # fmt: skip
def test_secrets_are_found_by_their_shape(file: str, text: str, found: list[str]) -> None:
    assert [str(each) for each in secrets_in(file, text.encode())] == found


def test_binary_files_are_judged_by_their_name_alone() -> None:
    data = b"\0-----BEGIN PRIVATE KEY-----"
    assert [str(each) for each in secrets_in("a.bin", data)] == []


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    "part", ["a-", "a.", "eyJ-", "eyJa.", "secret ", "://a:", "-----BEGIN A ", "password='"]
)
def test_one_line_of_a_megabyte_is_looked_through_at_once(part: str) -> None:
    """A pattern that is tried from each place to the end would take hours, and the host with it."""
    line = (part * (1 << 20))[: 1 << 20]
    assert len(list(secrets_in("a.js", line.encode()))) <= 1
