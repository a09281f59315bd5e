from reverse_string import reverse_string


def test_reverse_string():
    assert reverse_string('abc') == 'cba'
    assert reverse_string('hello world') == 'dlrow olleh'
