"""From one unit or notation to another. The order of the words matters throughout."""

from atos_orchestrator.strategies.mini.family import Family

FAMILIES = (
    Family(
        name="celsius_to_fahrenheit",
        params="celsius",
        body="return celsius * 9 / 5 + 32",
        says="convert celsius to fahrenheit",
        wordings=(
            "[convert|turn|change|] [a|] [degrees|] celsius [to|into] [degrees|] fahrenheit",
            "[convert|turn|change|] [a|] temperature from celsius [to|into] fahrenheit",
            "[convert|turn|] [a|] celsius [temperature|temperatures|value] to fahrenheit",
            "[convert|turn|] [a|] temperature in celsius to fahrenheit",
            "celsius to fahrenheit [converter|conversion]",
            "[convert|] from celsius to fahrenheit",
            "[convert|] [c to f|°c to °f]",
            "[get|compute|] the fahrenheit value of a celsius temperature",
        ),
        cases=((0,), (100,), (-40,), (37,), (25.5,)),
        ordered=True,
    ),
    Family(
        name="fahrenheit_to_celsius",
        params="fahrenheit",
        body="return (fahrenheit - 32) * 5 / 9",
        says="convert fahrenheit to celsius",
        wordings=(
            "[convert|turn|change|] [a|] [degrees|] fahrenheit [to|into] [degrees|] celsius",
            "[convert|turn|change|] [a|] temperature from fahrenheit [to|into] celsius",
            "[convert|turn|] [a|] fahrenheit [temperature|temperatures|value] to celsius",
            "[convert|turn|] [a|] temperature in fahrenheit to celsius",
            "fahrenheit to celsius [converter|conversion]",
            "[convert|] from fahrenheit to celsius",
            "[convert|] [f to c|°f to °c]",
            "[get|compute|] the celsius value of a fahrenheit temperature",
        ),
        cases=((32,), (212,), (-40,), (98.6,), (50,)),
        ordered=True,
    ),
    Family(
        name="km_to_miles",
        params="km",
        body="return km / 1.609344",
        says="convert kilometers to miles",
        wordings=(
            "[convert|turn|change|] [kilometers|kilometres|km] [to|into] miles",
            "[convert|turn|] a distance [in|from] [kilometers|kilometres|km] [to|into] miles",
            "[kilometers|kilometres|km] to miles [converter|conversion]",
            "[convert|] from [kilometers|km] to miles",
            "how many miles are in kilometers",
        ),
        cases=((1.609344,), (0,), (10,), (42.195,), (100,)),
        ordered=True,
    ),
    Family(
        name="miles_to_km",
        params="miles",
        body="return miles * 1.609344",
        says="convert miles to kilometers",
        wordings=(
            "[convert|turn|change|] miles [to|into] [kilometers|kilometres|km]",
            "[convert|turn|] a distance [in|from] miles [to|into] [kilometers|kilometres|km]",
            "miles to [kilometers|kilometres|km] [converter|conversion]",
            "[convert|] from miles to [kilometers|km]",
            "how many kilometers are in miles",
        ),
        cases=((1,), (0,), (10,), (26.2,), (100,)),
        ordered=True,
    ),
    Family(
        name="to_binary",
        params="n",
        body='return format(n, "b")',
        says="convert a number to binary",
        wordings=(
            "[convert|turn|change|] a[n|] [decimal|] [number|integer] [to|into] [a|] binary [string|number|]",
            "[convert|] decimal [number|numbers|] to binary",
            "[get|return|find|compute|] the binary [representation|form|string] of a[n|] [number|integer]",
            "[write|express|represent] a number [in|as] binary",
            "number to binary [converter|conversion]",
            "decimal to binary [converter|conversion]",
        ),
        cases=((5,), (0,), (1,), (255,), (10,), (8,)),
        ordered=True,
    ),
    Family(
        name="from_binary",
        params="bits",
        body="return int(bits, 2)",
        says="convert binary to a number",
        wordings=(
            "[convert|turn|change|] [a|] binary [number|string|] [to|into] a[n|] [decimal|] [number|integer]",
            "[convert|turn|] [a|] binary [number|string|] to decimal",
            "[parse|read] a binary [string|number] [as|to] a[n|] [number|integer]",
            "[parse|read] a binary [string|number]",
            "binary to decimal [converter|conversion]",
            "binary to number [converter|conversion]",
            "[compute|get] the decimal value of a binary [string|number]",
        ),
        cases=(("101",), ("0",), ("1",), ("11111111",), ("1000",)),
        ordered=True,
    ),
    Family(
        name="to_roman",
        params="n",
        body=(
            'pairs = [(1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"),\n'
            '         (50, "L"), (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I")]\n'
            'result = ""\n'
            "for value, letters in pairs:\n    while n >= value:\n"
            "        result += letters\n        n -= value\nreturn result"
        ),
        says="convert a number to a roman numeral",
        wordings=(
            "[convert|turn|change|] [a|] [number|integer] [to|into] [a|] roman [numeral|numerals|number]",
            "[write|express|represent] a number [as a|in|as] roman [numeral|numerals]",
            "[number|integer|decimal] to roman [numeral|numerals|] [converter|conversion|]",
            "[get|compute|find] the roman numeral [of|for] a number",
            "[convert|] numbers to roman numerals",
        ),
        cases=((4,), (9,), (14,), (1994,), (3,), (2024,), (49,)),
        ordered=True,
    ),
)
