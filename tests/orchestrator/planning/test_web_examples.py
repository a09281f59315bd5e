"""What a goal says that requests answer becomes rows on the application's own test client."""

from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from atos_orchestrator.planning.brief.reading import read_brief
from atos_orchestrator.planning.brief.web_examples import web_examples
from atos_orchestrator.web_application import application_of


def rows(text: str) -> list[str]:
    return [example.assertion for example in web_examples(text)]


def test_requests_with_their_answers_are_examples_of_the_factory() -> None:
    text = (
        "Write app.py with create_app(), a Flask application factory. GET /health answers JSON"
        ' {"status": "ok", "late": false}; GET /add?a=2&b=3 answers JSON {"sum": 5}; `GET /ping` returns "pong".'
        " GET /old answers status 410."
    )
    assert rows(text) == snapshot(
        [
            "assert create_app().test_client().get('/health').get_json() == {'status': 'ok', 'late': False}",
            "assert create_app().test_client().get('/add?a=2&b=3').get_json() == {'sum': 5}",
            "assert create_app().test_client().get('/ping').get_data(as_text=True) == \"pong\"",
            "assert create_app().test_client().get('/old').status_code == 410",
        ]
    )
    assert {example.name for example in read_brief(text).examples} == {"create_app"}


def test_what_a_clause_refuses_is_asked_with_the_parameters_of_an_example() -> None:
    text = 'Flask, app.py. GET /add?a=2&b=3 answers {"sum": 5}; a missing or non-integer a or b answers status 400.'
    assert rows(text) == snapshot(
        [
            "assert app.test_client().get('/add?a=2&b=3').get_json() == {'sum': 5}",
            "assert app.test_client().get('/add?b=3').status_code == 400",
            "assert app.test_client().get('/add?a=x&b=3').status_code == 400",
            "assert app.test_client().get('/add?a=2').status_code == 400",
            "assert app.test_client().get('/add?a=2&b=x').status_code == 400",
        ]
    )


def test_a_request_that_changes_something_comes_before_another_one_where_the_text_says_so() -> None:
    text = (
        'A notes API with Flask, create_app(). POST /notes with {"text": "milk"} answers 201 and {"id": 1}.'
        ' Then GET /notes answers [{"id": 1, "text": "milk"}]. After POST /tags with {"name": "a"}, GET /tags'
        ' returns ["a"].'
    )
    assert rows(text) == snapshot(
        [
            "assert create_app().test_client().post('/notes', json={'text': 'milk'}).status_code == 201",
            "assert create_app().test_client().post('/notes', json={'text': 'milk'}).get_json() == {'id': 1}",
            """\
client = create_app().test_client()
client.post('/notes', json={'text': 'milk'})
assert client.get('/notes').get_json() == [{'id': 1, 'text': 'milk'}]\
""",
            "assert create_app().test_client().get('/notes').get_json() != [{'id': 1, 'text': 'milk'}]",
            """\
client = create_app().test_client()
client.post('/tags', json={'name': 'a'})
assert client.get('/tags').get_json() == ['a']\
""",
            "assert create_app().test_client().get('/tags').get_json() != ['a']",
        ]
    )


def test_what_may_depend_on_an_earlier_request_is_no_example() -> None:
    text = (
        'Flask with create_app(). POST /notes with {"text": "milk"} answers 201. GET /notes answers'
        ' ["milk"]. GET /health answers {"ok": true}.'
    )
    assert rows(text) == snapshot(
        [
            "assert create_app().test_client().post('/notes', json={'text': 'milk'}).status_code == 201",
            "assert create_app().test_client().get('/health').get_json() == {'ok': True}",
        ]
    )


def test_a_fastapi_application_is_asked_by_its_own_client_which_has_to_be_imported() -> None:
    text = (
        'Write shop.py with make_app(), a FastAPI factory. GET /health answers {"status": "ok"}. GET /ping returns "pong".'
        ' POST /items with {"name": "pen"} answers 201. Then GET /items answers [{"name": "pen"}].'
        " GET /add?a=2 answers 200; a missing a answers 422."
    )
    assert rows(text) == snapshot(
        [
            """\
from fastapi.testclient import TestClient
assert TestClient(make_app()).get('/health').json() == {'status': 'ok'}\
""",
            """\
from fastapi.testclient import TestClient
assert TestClient(make_app()).get('/ping').text.strip('"') == "pong"\
""",
            """\
from fastapi.testclient import TestClient
assert TestClient(make_app()).post('/items', json={'name': 'pen'}).status_code == 201\
""",
            """\
from fastapi.testclient import TestClient
client = TestClient(make_app())
client.post('/items', json={'name': 'pen'})
assert client.get('/items').json() == [{'name': 'pen'}]\
""",
            """\
from fastapi.testclient import TestClient
assert TestClient(make_app()).get('/items').json() != [{'name': 'pen'}]\
""",
            """\
from fastapi.testclient import TestClient
assert TestClient(make_app()).get('/add?a=2').status_code == 200\
""",
            """\
from fastapi.testclient import TestClient
assert TestClient(make_app()).get('/add').status_code == 422\
""",
        ]
    )


def test_what_the_client_of_fastapi_cannot_ask_is_no_example() -> None:
    text = 'FastAPI: DELETE /items with {"id": 1} answers 204. GET /old answers 301. GET /new answers 200.'
    assert rows(text) == snapshot(
        [
            """\
from fastapi.testclient import TestClient
assert TestClient(app).get('/new').status_code == 200\
"""
        ]
    )
    assert len(rows(text.replace("FastAPI", "Flask"))) == 3


def test_a_variable_stands_where_no_factory_is_named() -> None:
    assert rows('A Flask app: GET /hello/Ann returns "Hello, Ann!".') == snapshot(
        ["assert app.test_client().get('/hello/Ann').get_data(as_text=True) == \"Hello, Ann!\""]
    )


def test_conditions_templates_and_other_frameworks_give_no_example() -> None:
    assert (
        rows("Flask: GET /hello/<name> returns 200. GET /time answers 503 if the clock is down.")
        == []
    )
    assert rows("Flask: when nobody is logged in, GET /me answers 401.") == []
    assert rows('Django: GET /health answers {"status": "ok"}.') == []
    assert rows('Flask with create_app(path): GET /health answers {"status": "ok"}.') == []
    assert rows("Flask: GET /broken answers {1: [}. GET /n answers 2000.") == []


def test_an_application_is_defined_by_the_head_that_makes_it_or_as_a_variable() -> None:
    heads = [
        [each.head for each in read_brief(text).signatures]
        for text in (
            'Flask, create_app(): GET /health answers {"ok": true}.',
            'A Flask app in shop.py: GET /health answers {"ok": true}.',
            "A Flask app that greets.",
            "Flask with create_app(path).",
            "shop.py with total(prices) for my Flask app.",
        )
    ]
    assert heads == snapshot(
        [["create_app()"], ["app"], ["app"], ["create_app(path)"], ["total(prices)"]]
    )


def test_the_source_of_an_application_follows_from_its_name() -> None:
    names = ["create_app", "make_shop_app()", "app", "total", "create_app(path)", "app(x)"]
    made = {name: application_of(name, ("flask",)) for name in names}
    found = {name: each.source if each else "" for name, each in made.items()}
    assert found == snapshot(
        {
            "create_app": "create_app()",
            "make_shop_app()": "make_shop_app()",
            "app": "app",
            "total": "",
            "create_app(path)": "",
            "app(x)": "",
        }
    )
    assert application_of("create_app", ("click",)) is None


@given(st.text(alphabet='GET POST/ab?=&,;."{}[]0123 \nwithanswersflask', max_size=300))
def test_any_text_gives_rows_that_are_python(text: str) -> None:
    for row in rows(f"Flask. {text}"):
        compile(row, "<row>", "exec")
