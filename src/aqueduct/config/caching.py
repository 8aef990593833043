"""Turns what a file says of a model's cache into the domain's words."""

import hashlib
from collections.abc import Sequence

import msgspec

from aqueduct.config.schema import CacheNode
from aqueduct.domain.cache import CachePolicy
from aqueduct.domain.model import Target
from aqueduct.domain.snapshot import WILDCARD


def compile_cache(node: CacheNode | None, targets: Sequence[Target]) -> CachePolicy | None:
    """Compile how a model's answers are kept; None keeps none."""
    if node is None:
        return None
    return CachePolicy(
        ttl_seconds=node.ttl,
        is_always=node.when == "always",
        max_bytes=node.max_bytes,
        version=version_of(targets),
        goes_by_asked_name=any(target.model == WILDCARD for target in targets),
    )


def version_of(targets: Sequence[Target]) -> str:
    """Return a digest of what an answer of these targets depends on.

    Keys, prices, weights, limits and timeouts are not in it: they choose who answers and when, never what he says.
    """
    known = sorted(
        msgspec.json.encode(
            (
                target.provider.name,
                target.provider.kind,
                target.provider.origin,
                target.provider.base_path,
                sorted(target.provider.headers),
                sorted(target.provider.drop_fields),
                sorted(target.provider.options.items()),
                target.model,
                target.model_path,
                target.structured_output,
                target.reads_images,
                target.reads_files,
            )
        )
        for target in targets
        # A provider with several keys is there once for each.
        if target.provider.key_number == 1
    )
    return hashlib.sha256(b"\n".join(known)).hexdigest()
