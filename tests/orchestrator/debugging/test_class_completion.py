"""Classes that lack a method: which one, and how the file is begun once more."""

import pytest

from atos_orchestrator.debugging.class_completion import continues, unfinished_class
from atos_orchestrator.task import Task

HEADS = ("class Box(size)", "put(key, value)", "get(key, default=None)", "keys")
TASK = Task("T1", "a", files=("box.py",), signatures=HEADS)
PUT = "class Box:\n    def __init__(self, size):\n        self.size = size\n\n    def put(self, key, value):\n        pass\n"
GET = "\n    def get(self, key, default=None):\n        return default\n"
KEYS = "\n    def keys(self):\n        return []\n"


def test_the_first_missing_method_is_begun_with_its_head() -> None:
    assert unfinished_class(PUT, TASK, "") == (
        "get",
        f"{PUT.rstrip()}\n\n    def get(self, key, default=None):\n",
    )
    assert unfinished_class(PUT + GET, TASK, "")[1].endswith("\n\n    def keys(self")
    assert unfinished_class(PUT + GET + KEYS, TASK, "") == ("", "")


def test_special_methods_that_the_goal_speaks_of_are_missing_too() -> None:
    name, begun = unfinished_class(PUT + GET + KEYS, TASK, "len() of it and the operator in work")

    assert (name, begun.rpartition("\n")[2]) == ("__len__", "    def __len__(self")


@pytest.mark.parametrize(
    "source",
    [
        f"{PUT}\n\ndef get(key):\n    return 1\n",  # then it is a function beside the class
        "def put(box):\n    pass\n\n\nclass Box:\n    def get(self):\n        pass\n",
        PUT.replace("class Box", "class Other"),
        PUT.replace("class Box", "class Box(OrderedDict)"),
        "class Box:\n    size = 1\n",  # none of its methods is there: they may be meant for elsewhere
        "class Box:\n    def put(self",
        "",
    ],
)
def test_what_can_not_be_continued_stays_as_it_is(source: str) -> None:
    assert unfinished_class(source, TASK, "") == ("", "")


def test_an_attribute_of_that_name_is_no_missing_method() -> None:
    source = PUT.replace("self.size = size", "self.keys = []") + GET

    assert unfinished_class(source, TASK, "") == ("", "")


def test_the_classs_own_indentation_is_kept() -> None:
    source = "class Box:\n  def put(self, key, value):\n    pass\n"

    assert unfinished_class(source, TASK, "")[1].endswith(
        "\n\n  def get(self, key, default=None):\n"
    )


def test_a_reply_that_adds_nothing_or_breaks_the_file_is_not_taken() -> None:
    assert continues(PUT, PUT + GET, "get")
    assert not continues(PUT, PUT + KEYS, "get")
    assert not continues(PUT, f"{PUT}\n    def get(self", "get")
    assert not continues(PUT + GET, PUT, "put")
