"""Acceptance test of is_palindrome, rendered from the catalogue of atos-mini."""

from is_palindrome import is_palindrome


def test_is_palindrome_case_1():
    assert is_palindrome('level') is True


def test_is_palindrome_case_2():
    assert is_palindrome('abc') is False


def test_is_palindrome_case_3():
    assert is_palindrome('') is True


def test_is_palindrome_case_4():
    assert is_palindrome('noon') is True


def test_is_palindrome_case_5():
    assert is_palindrome('Noon') is False


def test_is_palindrome_case_6():
    assert is_palindrome('ab') is False
