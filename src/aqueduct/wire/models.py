"""`GET /models` and `GET /models/{id}`: what a caller may ask for, as OpenAI lists it."""

from collections.abc import Iterable
from typing import Literal

import msgspec

from aqueduct.domain.model import Model

OWNER = "aqueduct"
"""Who owns a model, as far as clients are concerned: which provider is behind it is not theirs to know."""


class ModelObject(msgspec.Struct, frozen=True, kw_only=True):
    """A model by the name that a client asks for; `created` is in seconds since the epoch."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = OWNER


class ModelList(msgspec.Struct, frozen=True, kw_only=True):
    """The models that the caller may use."""

    object: Literal["list"] = "list"
    data: list[ModelObject]


def encode_model(name: str, model: Model) -> bytes:
    """Return the object of one model, under the name it was asked by."""
    return msgspec.json.encode(_object(name, model))


def encode_models(models: Iterable[tuple[str, Model]]) -> bytes:
    """Return the list of the (name, model) pairs that the caller may see."""
    return msgspec.json.encode(ModelList(data=[_object(name, model) for name, model in models]))


def _object(name: str, model: Model) -> ModelObject:
    return ModelObject(id=name, created=model.created_at)
