"""What can be done with the response cache: clear it."""

from aqueduct.control.organisations import Organisations
from aqueduct.control.registry import Registry, new_id
from aqueduct.domain.actor import Actor
from aqueduct.domain.cache import CacheClearing
from aqueduct.domain.permissions import Action, Resource, may
from aqueduct.domain.scopes import Kind
from aqueduct.errors import InvalidValue, NotAllowed
from aqueduct.storage import cache_generations

MAX_MODEL_CHARACTERS = 200


class ResponseCache:
    """The use cases on cached answers."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry

    async def clear(self, actor: Actor, *, organisation: str | None = None, model: str | None = None) -> CacheClearing:
        """Let none of the answers be given again that are kept now, from the next request on.

        Without an organisation those of everybody, for who administers the installation, and for others their own's.
        """
        if model is not None and not (0 < len(model) <= MAX_MODEL_CHARACTERS and model.isprintable()):
            raise InvalidValue(f"A model's name has 1 to {MAX_MODEL_CHARACTERS} printable characters.")
        async with self.registry.changing(actor, taken="Somebody else has cleared the cache just now.") as change:
            organisation_id: str | None = None
            if organisation is not None or not may(actor, Action.DELETE, Resource(kind=Kind.CACHE)):
                within = await Organisations(self.registry).require(change.connection, actor.unscoped, organisation)
                organisation_id = within.id
            if not may(actor, Action.DELETE, Resource(kind=Kind.CACHE, organisation_id=organisation_id)):
                raise NotAllowed("You may not clear the cache.")
            clearing = CacheClearing(
                id=new_id("clr"), organisation_id=organisation_id, model=model, cleared_at=change.now
            )
            await cache_generations.add(change.connection, clearing)
            await change.record("clear", Kind.CACHE, None, clearing)
            return clearing
