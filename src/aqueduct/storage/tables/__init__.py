"""The tables, for queries; the migrations make them.

Instants are integers (see `instants.py`): one representation that both engines compare, index and divide alike.
"""

from aqueduct.storage.tables.api_tokens import api_tokens
from aqueduct.storage.tables.base import SCHEMA_VERSION, metadata, schema_version
from aqueduct.storage.tables.usage import usage_attempts, usage_requests

__all__ = ["SCHEMA_VERSION", "api_tokens", "metadata", "schema_version", "usage_attempts", "usage_requests"]
