"""Acceptance test of reverse_string, rendered from the catalogue of atos-mini."""

from reverse_string import reverse_string


def test_reverse_string_case_1():
    assert reverse_string('abc') == 'cba'


def test_reverse_string_case_2():
    assert reverse_string('hello world') == 'dlrow olleh'


def test_reverse_string_case_3():
    assert reverse_string('') == ''


def test_reverse_string_case_4():
    assert reverse_string('a') == 'a'


def test_reverse_string_case_5():
    assert reverse_string('Level') == 'leveL'
