"""What a zygote runs before it forks: with these two tests pytest fills its tables and caches once, not in each run."""


def test_that_passes() -> None:
    """Compare two lists."""
    assert sorted([2, 1]) == [1, 2]


def test_that_fails() -> None:
    """Have pytest describe a failure, which is where most of its tables are."""
    assert sorted([2, 1]) == [2, 1]
