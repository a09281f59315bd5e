"""JSON schemas that constrain a reply: checked before the call, and the reply against them after it.

Engines silently ignore keywords that they don't know, and a weak model never closes a string without
a bound. So only the keywords below are accepted, every string and array needs a bound, and `prepare`
closes objects, which makes a schema stricter but never wrong. Pure.
"""

from __future__ import annotations

import json
import re
from typing import Any, cast

from atos_protocol.errors import BadRequestError, EngineError
from atos_scheduler.engines.protocol import Request

Schema = dict[str, Any]

LONGEST = 200
"""Characters of a message about a reply that breaks its schema."""
MAX_DEPTH = 24
MAX_NODES = 2_000
NOTES = {"title", "description", "default", "examples", "$schema", "$defs"}
"""Keywords that constrain nothing."""
KEYWORDS: dict[str, set[str]] = {
    "object": {"properties", "required", "additionalProperties"},
    "array": {"items", "minItems", "maxItems"},
    "string": {"minLength", "maxLength", "pattern"},
    "integer": {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"},
    "number": {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"},
    "boolean": set(),
    "null": set(),
}
"""Keywords that each type may carry."""
ANY_OBJECT: Schema = {"type": "object"}
"""What `format: "json"` asks for: any object at all."""


def prepare(schema: Schema) -> Schema:
    """Return the schema as it goes to an engine: references resolved, objects closed.

    Raises:
        BadRequestError: a keyword or type is unknown, or a string, array or reference is unbounded.
    """
    return _Preparation(schema).node(schema, "$", 0)


def relaxed(schema: Schema) -> Schema:
    """Return a schema as a client wrote it: nothing in it needs a bound, the token limit is one.

    Raises:
        BadRequestError: it is too deep or too large to be looked at.
    """
    seen, level = 0, cast("list[object]", [schema])
    for _ in range(4 * MAX_DEPTH):
        if not level:
            return schema
        seen += len(level)
        if seen > 20 * MAX_NODES:
            break
        level = [inner for each in level for inner in _inside(each)]
    root = "$"
    raise _refuse(root, "it is too deep or too large")


def _inside(value: object) -> list[object]:
    if isinstance(value, dict):
        return list(cast("dict[str, object]", value).values())
    return cast("list[object]", value) if isinstance(value, list) else []


def checked_schema(request: Request) -> Schema | None:
    """Check a request; return the schema that its reply must keep, prepared, or None.

    Raises:
        BadRequestError: it has both messages and a prompt, or neither, or a schema that can't be kept.
    """
    if bool(request.messages) == bool(request.prompt):
        message = "a request needs either messages or a prompt, and not both"
        raise BadRequestError(message)
    if request.schema is None:
        return None
    if request.begun:
        message = "a reply that is begun can't be held to a schema"
        raise BadRequestError(message, next_step="Leave out the schema, or the last message.")
    if request.schema == "json":
        return ANY_OBJECT
    return prepare(request.schema) if request.strict else relaxed(request.schema)


class _Preparation:
    """One walk over one schema, with a budget of nodes, because references can multiply."""

    def __init__(self, root: Schema) -> None:
        self._definitions = cast("dict[str, Schema]", root.get("$defs", {}))
        self._nodes = 0

    def node(self, schema: object, at: str, depth: int) -> Schema:
        self._nodes += 1
        if depth > MAX_DEPTH or self._nodes > MAX_NODES:
            raise _refuse(at, "it is too deep, too large or recursive")
        if not isinstance(schema, dict):
            raise _refuse(at, "a schema must be an object")
        rules = {k: v for k, v in cast("Schema", schema).items() if k not in NOTES}
        if "$ref" in rules:
            return self.node(self._definition(rules, at), at, depth + 1)
        if "enum" in rules or "const" in rules:
            return _closed_choice(rules, at)
        if "anyOf" in rules:
            return self._any_of(rules, at, depth)
        return self._typed(rules, at, depth)

    def _definition(self, rules: Schema, at: str) -> Schema:
        name = str(rules["$ref"]).removeprefix("#/$defs/")
        if set(rules) != {"$ref"} or name not in self._definitions:
            raise _refuse(at, f"the reference {rules['$ref']!r} leads nowhere")
        return self._definitions[name]

    def _any_of(self, rules: Schema, at: str, depth: int) -> Schema:
        options = rules["anyOf"]
        if set(rules) != {"anyOf"} or not isinstance(options, list) or not options:
            raise _refuse(at, "anyOf must be a list of schemas that stands alone")
        each = enumerate(cast("list[object]", options))
        return {"anyOf": [self.node(o, f"{at}.anyOf[{i}]", depth + 1) for i, o in each]}

    def _typed(self, rules: Schema, at: str, depth: int) -> Schema:
        kind = rules.get("type")
        if not isinstance(kind, str) or kind not in KEYWORDS:
            raise _refuse(at, f"type must be one of {', '.join(KEYWORDS)}, not {kind!r}")
        if unknown := set(rules) - KEYWORDS[kind] - {"type"}:
            raise _refuse(at, f"{min(unknown)!r} is not supported for type {kind}")
        if kind == "string":
            _check_string(rules, at)
        if kind == "array":
            bound = rules.get("maxItems")
            if not isinstance(bound, int) or "items" not in rules:
                raise _refuse(at, "an array needs items and maxItems")
            return rules | {"items": self.node(rules["items"], f"{at}[]", depth + 1)}
        return self._object(rules, at, depth) if kind == "object" else rules

    def _object(self, rules: Schema, at: str, depth: int) -> Schema:
        properties = rules.get("properties")
        if not isinstance(properties, dict):
            raise _refuse(at, "an object needs properties")
        if rules.get("additionalProperties") not in (None, False):
            raise _refuse(at, "additionalProperties can only be false")
        known = cast("Schema", properties)
        required = rules.get("required", [])
        if not isinstance(required, list) or not set(cast("list[str]", required)) <= set(known):
            raise _refuse(at, "required must list names from properties")
        inner = {k: self.node(v, f"{at}.{k}", depth + 1) for k, v in known.items()}
        return {
            "type": "object",
            "properties": inner,
            "required": required,
            "additionalProperties": False,
        }


def _refuse(at: str, why: str) -> BadRequestError:
    step = "Bound strings with maxLength and arrays with maxItems, and keep to plain keywords."
    return BadRequestError(f"the JSON schema can't be kept: at {at}, {why}", next_step=step)


def _closed_choice(rules: Schema, at: str) -> Schema:
    if unknown := set(rules) - {"enum", "const", "type"}:
        raise _refuse(at, f"{min(unknown)!r} can't stand beside enum or const")
    choices = rules.get("enum", [rules.get("const")])
    if not isinstance(choices, list) or not choices:
        raise _refuse(at, "enum must be a list that is not empty")
    return {"enum": choices}


def _check_string(rules: Schema, at: str) -> None:
    if not isinstance(rules.get("maxLength"), int):
        raise _refuse(at, "a string needs maxLength, enum or const")
    if "pattern" in rules:
        try:
            re.compile(str(rules["pattern"]))
        except re.error as error:
            raise _refuse(at, f"the pattern can't be read: {error}") from error


def parse(text: str, schema: Schema) -> Any:
    """Return the value of a reply that was asked to keep a prepared schema.

    Raises:
        EngineError: the reply is no JSON, or breaks the schema; the message says where.
    """
    try:
        value = json.loads(text)
    except ValueError as error:
        message = f"the model's reply is not JSON: {error}"
        raise EngineError(message, next_step="Ask again, or take a larger model.") from error
    if problem := breach(value, schema):
        message = f"the model's reply breaks the JSON schema: {problem}"
        raise EngineError(message, next_step="Ask again, or take a larger model.")
    return value


def breach(value: Any, schema: Schema) -> str:
    """Return where and how a value breaks a schema, or "" if it keeps it."""
    from jsonschema import Draft202012Validator  # 0.2 s, paid by the first reply with a schema

    errors = Draft202012Validator(schema).iter_errors(value)  # pyright: ignore[reportUnknownMemberType]
    error = min(errors, key=lambda e: len(e.path), default=None)
    if error is None:
        return ""
    # a message quotes the value, which may be a whole reply
    rule = f"breaks {error.validator} {error.validator_value!r:.200}"
    return f"{error.json_path}: {error.message if len(error.message) <= LONGEST else rule}"
