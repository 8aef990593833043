"""The tables, for queries; the migrations make them.

Instants are integers (see `instants.py`): one representation that both engines compare, index and divide alike.
"""

from aqueduct.storage.tables.api_tokens import api_tokens
from aqueduct.storage.tables.audit_log import audit_log
from aqueduct.storage.tables.base import SCHEMA_VERSION, metadata, schema_version
from aqueduct.storage.tables.cache import cache_generations
from aqueduct.storage.tables.captures import captures
from aqueduct.storage.tables.changes import changes
from aqueduct.storage.tables.declared import declared_objects
from aqueduct.storage.tables.idempotency import idempotency_keys
from aqueduct.storage.tables.identities import identities, issuer_sessions, passkeys, sign_in_flows
from aqueduct.storage.tables.organisations import organisations, terms_acceptances, terms_of_service
from aqueduct.storage.tables.people import memberships, service_accounts, teams, users
from aqueduct.storage.tables.rollups import (
    MEASURES,
    end_user_rollups,
    organisation_rollups,
    target_rollups,
    team_rollups,
    usage_rollups,
    user_rollups,
)
from aqueduct.storage.tables.rules import budgets, limits, model_rules
from aqueduct.storage.tables.sign_in import one_time_links, passwords, sessions
from aqueduct.storage.tables.usage import usage_attempts, usage_requests
from aqueduct.storage.tables.webhooks import deliveries, events, webhooks

__all__ = [
    "MEASURES",
    "SCHEMA_VERSION",
    "api_tokens",
    "audit_log",
    "budgets",
    "cache_generations",
    "captures",
    "changes",
    "declared_objects",
    "deliveries",
    "end_user_rollups",
    "events",
    "idempotency_keys",
    "identities",
    "issuer_sessions",
    "limits",
    "memberships",
    "metadata",
    "model_rules",
    "one_time_links",
    "organisation_rollups",
    "organisations",
    "passkeys",
    "passwords",
    "schema_version",
    "service_accounts",
    "sessions",
    "sign_in_flows",
    "target_rollups",
    "team_rollups",
    "teams",
    "terms_acceptances",
    "terms_of_service",
    "usage_attempts",
    "usage_requests",
    "usage_rollups",
    "user_rollups",
    "users",
    "webhooks",
]
