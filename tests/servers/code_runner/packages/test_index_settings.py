"""An installation knows where packages come from, and nothing else of the person."""

import os

from atos_servers.code_runner.packages.index_settings import clean_environment, index_environment

LISTED = """\
:env:.default-timeout='60'
:env:.index-url='https://mirror/simple'
global.extra-index-url='https://a/simple\\nhttps://b/simple'
global.index-url='https://global/simple'
global.no-binary=':all:'
install.find-links='/wheels'
install.target='/somewhere'
install.user='true'
list.format='columns'
nonsense
global.cert=not a literal
"""


def test_only_where_packages_come_from_is_taken_and_the_environment_wins() -> None:
    assert index_environment(LISTED) == {
        "PIP_DEFAULT_TIMEOUT": "60",
        "PIP_INDEX_URL": "https://mirror/simple",
        "PIP_EXTRA_INDEX_URL": "https://a/simple\nhttps://b/simple",
        "PIP_FIND_LINKS": "/wheels",
    }


def test_no_secret_and_no_home_is_passed_on() -> None:
    environ = {
        "HOME": "/home/me",
        "API_TOKEN": "secret",
        "https_proxy": "http://proxy",
        "PATH": "/x",
    }
    assert clean_environment("", "/tmp/empty", environ) == {
        "PATH": "/usr/bin:/bin",
        "HOME": "/tmp/empty",
        "TMPDIR": "/tmp/empty",
        "LANG": "C.UTF-8",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_RETRIES": "1",
        "PIP_KEYRING_PROVIDER": "disabled",
        "https_proxy": "http://proxy",
    }
