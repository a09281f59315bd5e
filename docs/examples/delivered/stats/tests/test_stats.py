import pytest

from stats import *


# The goal's own examples.


def test_example_1_median():
    with pytest.raises(ValueError):
        median([])


def test_example_2_median():
    assert median([3, 1, 2]) == 2


def test_example_3_median():
    assert median([1, 2]) == pytest.approx(1.5)
