"""Chooses the bounds within which an answer fits its limit, and has the result checked by the engine itself."""

from functools import lru_cache

import msgspec

from aqueduct.providers.grammar.branches import TooComplex
from aqueduct.providers.grammar.builder import Bounds, Builder
from aqueduct.providers.grammar.lark import write_grammar
from aqueduct.providers.grammar.shape import Literal, Member, Record, Shape, choose, longest_tokens

_LADDER = (
    Bounds(characters=400, items=8, turns=4),
    Bounds(characters=160, items=6, turns=3),
    Bounds(characters=60, items=4, turns=3),
    Bounds(characters=24, items=3, turns=2),
    Bounds(characters=12, items=2, turns=2),
    Bounds(characters=6, items=1, turns=1),
)
"""From generous to tight; the first whose longest answer fits is taken."""

_LARGEST_SCHEMA_BYTES = 16 * 1024
_LARGEST_GRAMMAR_CHARACTERS = 128 * 1024
_JSON_OBJECT = {"type": "object"}


class Function(msgspec.Struct, frozen=True):
    """A function that may be called, with the JSON schema of its arguments, encoded."""

    name: str
    parameters: bytes


class _TypeAlone(msgspec.Struct):
    type: str | None = None


class Grammar(msgspec.Struct, frozen=True):
    """A grammar for llama.cpp; `is_exact`: every answer that keeps to it satisfies the schema."""

    text: str
    is_exact: bool


@lru_cache(maxsize=64)
def compile_schema(schema: bytes, most_tokens: int) -> Grammar:
    """Return the grammar of the answers of about `most_tokens` at the most that satisfy an encoded schema.

    Where that cannot be said, it is the grammar of any JSON.
    """
    return _compile(schema, (), most_tokens)


@lru_cache(maxsize=64)
def compile_calls(functions: tuple[Function, ...], schema: bytes | None, most_tokens: int) -> Grammar:
    """Return the grammar of a call, as `{"name": …, "arguments": …}`, or of what else may be answered.

    That is JSON by the schema, or with none any text that does not begin as JSON does; `false` leaves calls only.
    """
    return _compile(schema, functions, most_tokens)


def _compile(schema: bytes | None, functions: tuple[Function, ...], most_tokens: int) -> Grammar:
    rungs = list(_LADDER)
    while rungs:
        bounds = rungs.pop(0)
        try:
            shape, is_exact = _build(schema, functions, bounds)
        except (TooComplex, RecursionError):
            del rungs[:-1]  # only the tightest bounds may yet help, and each try costs
            continue
        except (TypeError, ValueError, AttributeError):
            break  # a keyword of the wrong kind: nobody has checked the schemas of functions
        if shape is None:
            break
        if longest_tokens(shape) <= most_tokens or not rungs:
            text = write_grammar(shape, or_text=schema is None)
            if _is_accepted(text):
                return Grammar(text, is_exact)
            del rungs[:-1]
    return _loosest(schema, functions, most_tokens)


def _build(schema: bytes | None, functions: tuple[Function, ...], bounds: Bounds) -> tuple[Shape | None, bool]:
    """Return the shape within the bounds, and whether it is exact."""
    options: list[Shape] = []
    is_exact = True
    for function in functions:
        arguments, is_fitting = _build_schema(function.parameters, bounds)
        is_exact = is_exact and is_fitting
        if arguments is not None:
            name = Literal((msgspec.json.encode(function.name).decode(),))
            options.append(
                Record((Member("name", name, is_required=True), Member("arguments", arguments, is_required=True)))
            )
    if schema is not None:
        answer, is_fitting = _build_schema(schema, bounds)
        is_exact = is_exact and is_fitting
        options += [answer] if answer is not None else []
    return choose(options), is_exact


def _build_schema(encoded: bytes, bounds: Bounds) -> tuple[Shape | None, bool]:
    if len(encoded) > _LARGEST_SCHEMA_BYTES:
        raise TooComplex
    schema = msgspec.json.decode(encoded)
    builder = Builder(schema, bounds)
    return builder.build([schema], {}), builder.is_exact


def _loosest(schema: bytes | None, functions: tuple[Function, ...], most_tokens: int) -> Grammar:
    """Return the grammar of any JSON of the schema's type, or of a call with any arguments."""
    encoded = msgspec.json.encode(_JSON_OBJECT)
    answer = schema if schema in (None, b"false") else _type_alone(schema)
    for bounds in _LADDER[1:]:
        free = tuple(Function(function.name, encoded) for function in functions)
        shape, _ = _build(answer, free, bounds)
        if shape is not None and longest_tokens(shape) <= most_tokens:
            break
    else:
        shape = Record(())
    assert shape is not None  # noqa: S101 - any JSON has a shape within any bounds
    return Grammar(write_grammar(shape, or_text=schema is None), is_exact=False)


def _type_alone(schema: bytes) -> bytes:
    try:
        named = msgspec.json.decode(schema, type=_TypeAlone).type
    except (msgspec.DecodeError, RecursionError):
        return b"true"
    return b"true" if named is None else msgspec.json.encode({"type": named})


def _is_accepted(text: str) -> bool:
    """Whether the engine takes the grammar; llama.cpp would drop one that it does not, and generate freely."""
    if len(text) > _LARGEST_GRAMMAR_CHARACTERS:
        return False
    from llguidance import LLMatcher, LLParserLimits  # noqa: PLC0415 - an optional extra

    message: str = LLMatcher.validate_grammar(
        text, limits=LLParserLimits(initial_lexer_fuel=400_000, max_grammar_size=100_000)
    )
    return not message or message.startswith("WARNING")
