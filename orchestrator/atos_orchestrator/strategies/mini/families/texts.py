"""Texts, word by word."""

from atos_orchestrator.strategies.mini.family import Family

FAMILIES = (
    Family(
        name="count_words",
        params="text",
        body="return len(text.split())",
        says="count the words in a string",
        wordings=(
            "count [all|] the words [in|of] a [string|text|sentence]",
            "[return|find|compute|] the number of words [in|of] a [string|text|sentence]",
            "[find|tell] how many words [a text has|there are in a sentence|a string contains]",
            "count words",
            "word [count|counter]",
            "[compute|get] the word count of a [string|text|sentence]",
        ),
        cases=(("a b c",), ("hello",), ("",), ("  two  words ",), ("one two three four",)),
        ordered=True,
    ),
    Family(
        name="word_counts",
        params="text",
        body=(
            "counts = {}\nfor word in text.split():\n"
            "    counts[word] = counts.get(word, 0) + 1\nreturn counts"
        ),
        says="count how often each word occurs in a string",
        wordings=(
            "count how [often|many times] [each|every] word [occurs|appears] [in a string|in a text|]",
            "[build|make|create] a word frequency dictionary [of a text|from a text|]",
            "[build|make|create] a dictionary of word [counts|frequencies] [from a text|]",
            "[compute|find|count|] the [frequency|frequencies] of [each|every] word in a [string|text]",
            "[compute|get|count|] [the|] word [frequency|frequencies|counts] [of|in] a [string|text|sentence]",
            "[compute|count|] word frequencies",
            "count the occurrences of [each|every] word in a [string|text]",
            "word [frequency|histogram] [counter|]",
        ),
        cases=(("a b a",), ("x",), ("",), ("to be or not to be",), ("A a",)),
    ),
    Family(
        name="title_case",
        params="text",
        body='return " ".join(word.capitalize() for word in text.split())',
        says="capitalize each word of a string",
        wordings=(
            "[capitalize|capitalise] [each|every] word [of|in] a [string|text|sentence]",
            "[capitalize|capitalise] [all|] the words [of|in] a [string|text|sentence]",
            "[capitalize|capitalise] [each|every] word",
            "[capitalize|capitalise] the first letter of [each|every] word [in a string|in a text|]",
            "make the first letter of [each|every] word [a capital|upper case|uppercase]",
            "[convert|turn|] a [string|text] [to|into] title case",
            "[put|write] a [string|text] in title case",
            "title case a [string|text]",
            "title [case|caser]",
            "[string|text] to title case",
        ),
        cases=(("hello world",), ("a",), ("",), ("ALREADY LOUD",), ("the quick  fox",)),
    ),
    Family(
        name="longest_word",
        params="text",
        body='return max(text.split(), key=len, default="")',
        says="find the longest word in a string",
        wordings=(
            "[find|return|get|] the longest word [in|of] a [string|text|sentence]",
            "[find|return|get|] the longest word",
            "[find|return] the word with the most [letters|characters] in a [string|text]",
            "which word [in|of] a [text|sentence] is the longest",
            "longest word finder",
        ),
        cases=(("a bcd ef",), ("hello",), ("",), ("one three two",), ("aa bb",)),
    ),
    Family(
        name="reverse_words",
        params="text",
        body='return " ".join(reversed(text.split()))',
        says="reverse the order of the words in a string",
        wordings=(
            "[reverse|flip] the order of [the|] words [in|of] a [string|text|sentence]",
            "[reverse|flip] the word order [in|of] a [string|text|sentence]",
            "[reverse|flip] the words [in|of] a [string|text|sentence]",
            "[return|put|] the words of a [string|text|sentence] in reverse order",
            "reverse [the|] word order",
        ),
        cases=(("a b c",), ("hello world",), ("",), ("one",), ("to be or not",)),
        ordered=True,
    ),
    Family(
        name="initials",
        params="text",
        body='return "".join(word[0].upper() for word in text.split())',
        says="get the initials of a name",
        wordings=(
            "[get|return|find|compute|] the initials of a [name|person|text|string]",
            "[get|return|find|compute|] [someone's|somebody's|a person's] initials",
            "[make|build|create] an acronym [from|of|for|out of] a [phrase|text|string|sentence]",
            "the initials of [a full|someone's] name",
            "[get|return|compute] the acronym of a [phrase|text]",
            "acronym [maker|generator]",
            "[convert|turn] a [phrase|text] into an acronym",
        ),
        cases=(
            ("Ada Lovelace",),
            ("grace brewster hopper",),
            ("",),
            ("x",),
            ("as soon as possible",),
        ),
    ),
)
