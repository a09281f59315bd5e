from count_words import count_words


def test_count_words():
    assert count_words('a b c') == 3
    assert count_words('hello') == 1
