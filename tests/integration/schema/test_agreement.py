"""The event loop and the worker judge alike, and as a second opinion says."""

import json
from collections.abc import AsyncIterator
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aqueduct.gateway.schema.checker import SchemaChecker
from aqueduct.gateway.schema.limits import is_checked_inline

_names = st.sampled_from(["a", "b", "c"])
_numbers = st.integers(-3, 3) | st.sampled_from([0.5, 1.0, 2.5])
_values = st.recursive(
    st.none() | st.booleans() | _numbers | st.sampled_from(["", "a", "bcd", "2026-11-22", "x@y.org"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names, inner, max_size=3),
    max_leaves=6,
)
_types = st.sampled_from(["null", "boolean", "integer", "number", "string", "array", "object"])
_assertions = st.fixed_dictionaries(
    {},
    optional={
        "type": _types | st.lists(_types, min_size=1, max_size=3, unique=True),
        "enum": st.lists(_values, min_size=1, max_size=3),
        "const": _values,
        "minimum": _numbers,
        "exclusiveMaximum": _numbers,
        "multipleOf": st.integers(1, 3),
        "minLength": st.integers(0, 3),
        "maxItems": st.integers(0, 3),
        "minProperties": st.integers(0, 3),
        "required": st.lists(_names, max_size=2, unique=True),
        "format": st.sampled_from(["date", "email", "nobody-knows"]),
    },
)


def _applied(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    applicators = st.fixed_dictionaries(
        {},
        optional={
            "properties": st.dictionaries(_names, inner, max_size=3),
            "additionalProperties": inner,
            "items": inner,
            "prefixItems": st.lists(inner, min_size=1, max_size=2),
            "anyOf": st.lists(inner, min_size=1, max_size=3),
            "oneOf": st.lists(inner, min_size=1, max_size=3),
            "allOf": st.lists(inner, min_size=1, max_size=3),
        },
    )
    return st.builds(lambda assertions, applied: {**assertions, **applied}, _assertions, applicators)


_schemas: st.SearchStrategy[dict[str, Any]] = st.recursive(_assertions, _applied, max_leaves=6).filter(
    lambda schema: isinstance(schema, dict)
)


@pytest.fixture
async def lasting_checker() -> AsyncIterator[SchemaChecker]:
    """One checker, and so one worker, for all examples."""
    checker = SchemaChecker()
    yield checker
    await checker.close()


@given(schema=_schemas, instance=_values)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_inline_and_worker_verdicts_agree(
    lasting_checker: SchemaChecker, schema: dict[str, Any], instance: object
) -> None:
    text = json.dumps(instance)
    by_reference = {"$ref": "#/$defs/it", "$defs": {"it": schema}}
    assert not is_checked_inline(by_reference)
    alone = await lasting_checker.violation(schema, text)
    behind_reference = await lasting_checker.violation(by_reference, text)
    assert alone == behind_reference
    expected = jsonschema_rs.validator_for(schema, validate_formats=True).is_valid(instance)
    assert (alone is None) == expected
