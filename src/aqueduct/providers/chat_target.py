"""What adapters of chats alone ask of a request and its target: what of it is carried, and to which model."""

from aqueduct.domain.model import Target
from aqueduct.errors import InvalidRequest
from aqueduct.wire.chat import ChatRequest
from aqueduct.wire.request import Request

_UNDROPPABLE = frozenset({"messages", "model", "stream"})


def carried_chat(request: Request, target: Target) -> ChatRequest:
    """Return the request without what the config says to leave out; raise `InvalidRequest` for one that is no chat."""
    unwanted = (target.provider.drop_fields & request.fields.keys()) - _UNDROPPABLE
    carried = request.with_fields(**dict.fromkeys(unwanted)) if unwanted else request
    if not isinstance(carried, ChatRequest):
        raise InvalidRequest("This model answers chats only.", param="model")
    return carried


def upstream_model(request: Request, target: Target) -> str:
    """Return the name of the model that is asked upstream: behind `*` the one that was asked for."""
    return request.model if target.model == "*" else target.model
