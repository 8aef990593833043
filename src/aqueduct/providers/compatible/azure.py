"""Azure OpenAI: the same format below other paths. Its filters' results pass as they are.

`api_version` says which surface: `v1` (the default) and `preview` have the model in the body, a dated one in the path,
as the name of its deployment. Below a base URL that ends in `/models` (Azure AI's inference API) it is in the body too.
"""

from urllib.parse import quote

from typing_extensions import override

from aqueduct.domain.model import Provider
from aqueduct.providers.compatible.operation import CompatibleOperation

_V1, _PREVIEW = "v1", "preview"


class AzureOperation(CompatibleOperation):
    """One operation (`chat` or `completions`) at Azure."""

    @override
    def _path_at(self, provider: Provider, model: str) -> str:
        version = provider.options["api_version"]
        if version not in (_V1, _PREVIEW) and not provider.base_path.endswith("/models"):
            return f"{_root(provider)}/openai/deployments/{quote(model, safe='')}{self._path}?api-version={version}"
        return _below_surface(provider, self._path)


def models_path(provider: Provider) -> str:
    """Return where Azure lists models, or tells of the one that is there."""
    version = provider.options["api_version"]
    if version in (_V1, _PREVIEW):
        return _below_surface(provider, "/models")
    if provider.base_path.endswith("/models"):
        return _below_surface(provider, "/info")
    return f"{_root(provider)}/openai/models?api-version={version}"


def _below_surface(provider: Provider, path: str) -> str:
    version = provider.options["api_version"]
    if version == _V1:
        return f"{_root(provider)}/openai/v1{path}"
    if version == _PREVIEW:
        return f"{_root(provider)}/openai/v1{path}?api-version={version}"
    return f"{provider.base_path}{path}?api-version={version}"


def _root(provider: Provider) -> str:
    """Return the base path without a surface that was given with it."""
    for surface in ("/openai/v1", "/openai", "/models"):
        if provider.base_path.endswith(surface):
            return provider.base_path.removesuffix(surface)
    return provider.base_path
