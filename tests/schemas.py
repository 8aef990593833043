"""JSON schemas chosen to hurt: name → schema. The promise of structured output is tested with every one of them."""

from typing import Any

SEED: dict[str, Any] = {
    "type": "object",
    "properties": {"greeting": {"type": "string"}, "count": {"type": "integer"}},
    "required": ["greeting", "count"],
}
"""The schema of the seed document, whose answers have to be valid 100 times out of 100."""

_TREE: dict[str, Any] = {
    "$defs": {
        "node": {
            "type": "object",
            "properties": {
                "value": {"type": "integer"},
                "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
            },
            "required": ["value", "children"],
            "additionalProperties": False,
        }
    },
    "$ref": "#/$defs/node",
}

SCHEMAS: dict[str, dict[str, Any]] = {
    "seed": SEED,
    # Unions, enums, constants.
    "union_of_types": {"type": ["string", "integer", "null"]},
    "any_of_objects": {
        "anyOf": [
            {
                "type": "object",
                "properties": {"kind": {"const": "circle"}, "radius": {"type": "number", "exclusiveMinimum": 0}},
                "required": ["kind", "radius"],
                "additionalProperties": False,
            },
            {
                "type": "object",
                "properties": {"kind": {"const": "square"}, "side": {"type": "number", "minimum": 1, "maximum": 9}},
                "required": ["kind", "side"],
                "additionalProperties": False,
            },
        ]
    },
    "one_of_overlapping": {
        "oneOf": [{"type": "integer", "multipleOf": 3}, {"type": "integer", "multipleOf": 5}],
        "minimum": 1,
        "maximum": 40,
    },
    "one_of_by_presence": {
        "type": "object",
        "properties": {
            "email": {"type": "string", "format": "email"},
            "phone": {"type": "string", "pattern": "^[0-9]{6,9}$"},
        },
        "oneOf": [{"required": ["email"]}, {"required": ["phone"]}],
    },
    "enum_of_everything": {"enum": ["red", 7, None, True, 1.5, {"a": [1, 2]}, [], 'quote " and \\ slash', "naïve ☃"]},
    "enum_with_siblings": {"type": "string", "enum": ["a", "bb", "ccc", 4], "minLength": 2},
    "const_object": {
        "type": "object",
        "properties": {"fixed": {"const": {"x": [1, {"y": None}]}}},
        "required": ["fixed"],
    },
    "boolean_only": {"type": "boolean"},
    # Numbers.
    "integer_range": {
        "type": "object",
        "properties": {
            "age": {"type": "integer", "minimum": 18, "maximum": 23},
            "floor": {"type": "integer", "maximum": -1},
        },
        "required": ["age", "floor"],
    },
    "exclusive_bounds": {
        "type": "object",
        "properties": {
            "low": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
            "whole": {"type": "integer", "exclusiveMinimum": 2, "exclusiveMaximum": 4},
        },
        "required": ["low", "whole"],
    },
    "multiples": {
        "type": "object",
        "properties": {
            "seven": {"type": "integer", "multipleOf": 7, "minimum": 100},
            "cents": {"type": "number", "multipleOf": 0.25, "minimum": 0},
            "both": {"allOf": [{"multipleOf": 4}, {"multipleOf": 6}], "type": "integer", "minimum": 1, "maximum": 100},
        },
        "required": ["seven", "cents", "both"],
    },
    "narrow_number": {"type": "number", "minimum": 0.123, "maximum": 0.124},
    "huge_number": {"type": "integer", "minimum": 9007199254740993},
    # Strings.
    "patterns": {
        "type": "object",
        "properties": {
            "plate": {"type": "string", "pattern": "^[A-Z]{2}-\\d{3}$"},
            "inside": {"type": "string", "pattern": "cat|dog", "maxLength": 12},
            "lookahead": {"type": "string", "pattern": "^(?=.*\\d)[a-z0-9]{4,8}$"},
        },
        "required": ["plate", "inside", "lookahead"],
    },
    "formats": {
        "type": "object",
        "properties": {
            "day": {"type": "string", "format": "date"},
            "at": {"type": "string", "format": "date-time"},
            "mail": {"type": "string", "format": "email"},
            "id": {"type": "string", "format": "uuid"},
            "site": {"type": "string", "format": "uri"},
            "ip": {"anyOf": [{"type": "string", "format": "ipv4"}, {"type": "string", "format": "ipv6"}]},
        },
        "required": ["day", "at", "mail", "id", "site", "ip"],
    },
    "lengths": {
        "type": "object",
        "properties": {
            "code": {"type": "string", "minLength": 5, "maxLength": 5},
            "long": {"type": "string", "minLength": 80},
        },
        "required": ["code", "long"],
    },
    "odd_names": {
        "type": "object",
        "properties": {
            "a b": {"type": "integer"},
            'quo"te': {"type": "boolean"},
            "": {"type": "null"},
            "é☃": {"type": "integer"},
        },
        "required": ["a b", 'quo"te', "", "é☃"],
        "additionalProperties": False,
    },
    # Arrays.
    "nested_arrays": {
        "type": "array",
        "items": {
            "type": "array",
            "items": {"type": "integer", "minimum": 0, "maximum": 1},
            "minItems": 3,
            "maxItems": 3,
        },
        "minItems": 3,
        "maxItems": 3,
    },
    "unique_enum": {
        "type": "array",
        "items": {"enum": ["north", "east", "south", "west"]},
        "uniqueItems": True,
        "minItems": 3,
    },
    "unique_integers": {
        "type": "array",
        "items": {"type": "integer", "minimum": 1, "maximum": 6},
        "uniqueItems": True,
        "minItems": 2,
        "maxItems": 4,
    },
    "unique_strings": {
        "type": "array",
        "items": {"type": "string", "minLength": 1},
        "uniqueItems": True,
        "minItems": 2,
    },
    "contains": {"type": "array", "items": {"type": ["string", "integer"]}, "contains": {"const": 42}, "minItems": 2},
    "contains_twice_at_most": {
        "type": "array",
        "items": {"type": "integer", "minimum": 0, "maximum": 9},
        "contains": {"minimum": 8},
        "minContains": 1,
        "maxContains": 2,
        "maxItems": 5,
    },
    "tuple": {
        "type": "array",
        "prefixItems": [{"type": "string", "maxLength": 10}, {"type": "integer"}, {"type": "boolean"}],
        "items": False,
        "minItems": 3,
    },
    "empty_array": {"type": "array", "maxItems": 0},
    # Logic.
    "all_of_merged": {
        "allOf": [
            {"type": "object", "properties": {"a": {"type": "integer", "minimum": 5}}, "required": ["a"]},
            {"type": "object", "properties": {"a": {"maximum": 8}, "b": {"type": "string"}}, "required": ["b"]},
        ]
    },
    "not_these": {
        "type": "object",
        "properties": {
            "name": {"type": "string", "not": {"enum": ["admin", "root"]}, "minLength": 1, "maxLength": 10},
            "size": {"type": "integer", "not": {"minimum": 10}, "minimum": 0},
        },
        "required": ["name", "size"],
    },
    "if_then_else": {
        "type": "object",
        "properties": {"country": {"type": "string", "enum": ["US", "DE", "FR"]}, "zip": {"type": "string"}},
        "required": ["country", "zip"],
        "if": {"properties": {"country": {"const": "US"}}},
        "then": {"properties": {"zip": {"pattern": "^[0-9]{5}$"}}},
        "else": {"properties": {"zip": {"pattern": "^[A-Z][0-9]{3}$"}}},
    },
    "dependent_required": {
        "type": "object",
        "properties": {"card": {"type": "integer"}, "billing": {"type": "string"}, "name": {"type": "string"}},
        "required": ["name"],
        "dependentRequired": {"card": ["billing"], "billing": ["card"]},
    },
    "dependent_schemas": {
        "type": "object",
        "properties": {"mode": {"enum": ["on", "off"]}, "level": {"type": "integer", "minimum": 0}},
        "required": ["mode"],
        "dependentSchemas": {"level": {"properties": {"mode": {"const": "on"}}, "required": ["mode"]}},
    },
    "any_of_partly_impossible": {
        "type": "integer",
        "anyOf": [{"minimum": 10, "maximum": 5}, {"type": "string"}, {"minimum": 100, "maximum": 101}],
    },
    # Objects.
    "map_of_integers": {
        "type": "object",
        "additionalProperties": {"type": "integer"},
        "minProperties": 2,
        "maxProperties": 3,
    },
    "pattern_properties": {
        "type": "object",
        "patternProperties": {"^s_[a-z]+$": {"type": "string"}, "^i_[a-z]+$": {"type": "integer"}},
        "additionalProperties": False,
        "minProperties": 1,
    },
    "property_names": {
        "type": "object",
        "propertyNames": {"pattern": "^[a-z]{2,5}$"},
        "additionalProperties": {"type": "boolean"},
        "minProperties": 1,
    },
    "all_optional": {
        "type": "object",
        "properties": {name: {"type": "integer"} for name in "abcdef"},
        "additionalProperties": False,
        "minProperties": 2,
        "maxProperties": 4,
    },
    "required_but_undeclared": {
        "type": "object",
        "required": ["left", "right"],
        "additionalProperties": {"type": "number"},
    },
    "unevaluated": {
        "type": "object",
        "allOf": [{"properties": {"a": {"type": "integer"}}, "required": ["a"]}],
        "properties": {"b": {"type": "boolean"}},
        "unevaluatedProperties": False,
    },
    # Recursion.
    "tree": _TREE,
    "linked_list": {
        "type": "object",
        "properties": {
            "value": {"type": "string", "maxLength": 6},
            "next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]},
        },
        "required": ["value", "next"],
    },
    "expression": {
        "$defs": {
            "expr": {
                "oneOf": [
                    {"type": "number"},
                    {
                        "type": "object",
                        "properties": {
                            "op": {"enum": ["+", "-", "*"]},
                            "left": {"$ref": "#/$defs/expr"},
                            "right": {"$ref": "#/$defs/expr"},
                        },
                        "required": ["op", "left", "right"],
                        "additionalProperties": False,
                    },
                ]
            }
        },
        "$ref": "#/$defs/expr",
    },
    "mutual_recursion": {
        "$defs": {
            "person": {
                "type": "object",
                "properties": {"name": {"type": "string"}, "pets": {"type": "array", "items": {"$ref": "#/$defs/pet"}}},
                "required": ["name", "pets"],
            },
            "pet": {
                "type": "object",
                "properties": {"species": {"enum": ["cat", "dog"]}, "owner": {"$ref": "#/$defs/person"}},
                "required": ["species"],
            },
        },
        "$ref": "#/$defs/person",
    },
    # Little to go by.
    "any_object": {"type": "object"},
    "anything": {},
    "old_drafts": {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "definitions": {"id": {"type": "string", "pattern": "^[a-f0-9]{6}$"}},
        "type": "object",
        "properties": {
            "ids": {
                "type": "array",
                "items": [{"$ref": "#/definitions/id"}, {"type": "integer"}],
                "additionalItems": False,
                "minItems": 2,
            },
        },
        "required": ["ids"],
        "dependencies": {"ids": ["more"]},
    },
}
