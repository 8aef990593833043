"""The tables, for queries; the migrations make them.

Instants are integers (see `instants.py`): one representation that both engines compare, index and divide alike.
"""

from aqueduct.storage.tables.api_tokens import api_tokens
from aqueduct.storage.tables.base import SCHEMA_VERSION, metadata, schema_version
from aqueduct.storage.tables.rollups import MEASURES, end_user_rollups, target_rollups, usage_rollups
from aqueduct.storage.tables.usage import usage_attempts, usage_requests

__all__ = [
    "MEASURES",
    "SCHEMA_VERSION",
    "api_tokens",
    "end_user_rollups",
    "metadata",
    "schema_version",
    "target_rollups",
    "usage_attempts",
    "usage_requests",
    "usage_rollups",
]
