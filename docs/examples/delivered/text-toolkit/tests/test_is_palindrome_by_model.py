from is_palindrome import is_palindrome


def test_is_palindrome():
    assert is_palindrome('level') == True
    assert is_palindrome('abc') == False
