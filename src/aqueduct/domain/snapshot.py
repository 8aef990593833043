"""Everything the data plane knows, compiled, immutable and versioned: a request uses one snapshot from end to end."""

import msgspec

from aqueduct.domain.model import Model
from aqueduct.domain.principal import Principal
from aqueduct.domain.sign_in import SignIn
from aqueduct.errors import ModelNotFound

WILDCARD = "*"

_SHOWN_CHARACTERS = 200


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The models by every name a client may ask for (names and aliases), and the one behind every other name.

    `hidden` are those, by their names, that only other models lead to; `sign_in` is how people may sign in.
    """

    models: tuple[Model, ...] = ()
    by_name: dict[str, Model] = {}
    wildcard: Model | None = None
    hidden: dict[str, Model] = {}
    sign_in: SignIn = SignIn()

    def resolve(self, principal: Principal, name: str) -> Model:
        """Return the model behind `name`; what the principal may not use is as unknown as what does not exist."""
        model = self.by_name.get(name, self.wildcard)
        if model is None or not principal.may_use(name, None if model is self.wildcard else model.name):
            shown = name[:_SHOWN_CHARACTERS]
            raise ModelNotFound(f"The model `{shown}` does not exist or you do not have access to it.")
        return model

    def find(self, name: str) -> Model | None:
        """Return a model by a name that another one has for it; hidden ones too, never the one behind `*`."""
        return self.by_name.get(name) or self.hidden.get(name)

    def visible(self, principal: Principal) -> list[tuple[str, Model]]:
        """List the (name, model) pairs that the principal may use, aliases included; `*` itself is never listed."""
        return [(name, model) for name, model in self.by_name.items() if principal.may_use(name, model.name)]
