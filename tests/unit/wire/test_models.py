import json

from aqueduct.domain.model import Model
from aqueduct.wire.models import encode_model, encode_models

MODEL = Model(name="gpt-4.1", targets=(), aliases=("main",), created_at=1_700_000_000)


def test_a_model_is_shown_by_the_name_it_was_asked_by() -> None:
    assert json.loads(encode_model("main", MODEL)) == {
        "id": "main",
        "object": "model",
        "created": 1_700_000_000,
        "owned_by": "aqueduct",
    }


def test_models_are_listed_in_order() -> None:
    listed = json.loads(encode_models([("gpt-4.1", MODEL), ("main", MODEL)]))
    assert listed["object"] == "list"
    assert [model["id"] for model in listed["data"]] == ["gpt-4.1", "main"]
    assert json.loads(encode_models([])) == {"object": "list", "data": []}
