"""Acceptance test of count_words, rendered from the catalogue of atos-mini."""

from count_words import count_words


def test_count_words_case_1():
    assert count_words('a b c') == 3


def test_count_words_case_2():
    assert count_words('hello') == 1


def test_count_words_case_3():
    assert count_words('') == 0


def test_count_words_case_4():
    assert count_words('  two  words ') == 2


def test_count_words_case_5():
    assert count_words('one two three four') == 4
