"""The sections that have no place in `aqueduct.yaml`: what to do in Aqueduct instead."""

from collections.abc import Mapping

from aqueduct.config.litellm_import.output import Note
from aqueduct.config.litellm_import.tree import EMPTY, Node

_HANDLED = {
    "router_settings": frozenset(
        {"allowed_fails", "content_policy_fallbacks", "context_window_fallbacks", "cooldown_time", "default_fallbacks"}
        | {"disable_cooldowns", "fallbacks", "model_group_alias", "routing_strategy"}
    ),
    "litellm_settings": frozenset(
        {"content_policy_fallbacks", "context_window_fallbacks", "default_fallbacks", "fallbacks", "set_verbose"}
        | {"telemetry"}
    ),
    "general_settings": frozenset({"master_key_hash"}),
}
_VALKEY = "set AQUEDUCT_VALKEY_URL, which counts limits and budgets for several gateways"
_RETRIES = "retries are paid from a budget, three rounds at most: see a model's `retries`"
_EVENTS = "events go to signed webhooks: `aqueduct webhook create`"
_CACHE = "give each model that is to be cached a `cache: {ttl: 3600}`; AQUEDUCT_CACHE_VALKEY_URL says where it is kept"
_GUARDRAILS = "nothing checks what is said on its way, but for the filters that a provider has of its own"
_METRICS = "usage is in the database and `aqueduct usage`, metrics at /metrics"
_WORDS: Mapping[str, str] = {
    "alerting": _EVENTS,
    "alert_types": _EVENTS,
    "alerting_threshold": _EVENTS,
    "allowed_fails_policy": "see a provider's `breaker`",
    "cache": _CACHE,
    "cache_params": _CACHE,
    "callbacks": _METRICS,
    "database_url": "set AQUEDUCT_DATABASE_URL; LiteLLM's tables are not read",
    "database_connection_pool_limit": "AQUEDUCT_DATABASE_URL is all there is to say",
    "drop_params": "what changes little is left out anyway; name other fields in a provider's `drop_fields`",
    "enable_pre_call_checks": "a model's `context_window` does that",
    "failure_callback": _METRICS,
    "force_ipv4": "addresses of both kinds are tried at once",
    "guardrails": _GUARDRAILS,
    "json_logs": "set AQUEDUCT_LOG_FORMAT",
    "master_key": "the first `aqueduct serve` makes an administrator's token; others: `aqueduct token create`",
    "max_budget": "`aqueduct budget create`",
    "max_parallel_requests": "`aqueduct limit create --concurrent-requests`",
    "model_group_retry_policy": _RETRIES,
    "modify_params": "adapters do what a provider needs",
    "num_retries": _RETRIES,
    "redis_host": _VALKEY,
    "redis_password": _VALKEY,
    "redis_port": _VALKEY,
    "redis_url": _VALKEY,
    "request_timeout": "see a model's `timeouts`",
    "retry_after": _RETRIES,
    "retry_policy": _RETRIES,
    "store_model_in_db": "models stand in aqueduct.yaml",
    "stream_timeout": "`timeouts` hold for streams too",
    "success_callback": _METRICS,
    "timeout": "see a model's `timeouts`",
    "turn_off_message_logging": "messages are in no log; see `aqueduct capture`",
}
_SECTIONS = frozenset({"credential_list", "environment_variables", "model_list", *_HANDLED})


def read_settings(root: Node, notes: list[Note]) -> None:
    """Note every setting that went nowhere, with what does its work here."""
    for section, handled in _HANDLED.items():
        for name, node in root.members.get(section, EMPTY).members.items():
            if name not in handled and not node.is_empty and node.value is not False:
                advice = _WORDS.get(name)
                notes.append(Note(node.line, f"'{name}' is not carried over{f': {advice}' if advice else ''}"))
    for name, node in root.members.get("environment_variables", EMPTY).members.items():
        notes.append(Note(node.line, f"set '{name}' in the environment of the gateway, if it is still wanted"))
    for name, node in root.members.items():
        if name not in _SECTIONS and not node.is_empty:
            advice = _WORDS.get(name)
            notes.append(Note(node.line, f"the section '{name}' is not carried over{f': {advice}' if advice else ''}"))
