"""The metrics, each defined once; names follow Prometheus' conventions."""

from prometheus_client import Counter, Gauge, Histogram

REFUSED_CREDENTIALS = Counter(
    "aqueduct_refused_credentials_total",
    "Requests without a usable API token; they are counted here and nowhere else.",
    ["reason"],
)
CONFIG_IS_REFUSED = Gauge(
    "aqueduct_config_is_refused", "1 while the config file as it is now was refused and the one before it is in force."
)
COUNTERS_ARE_AWAY = Gauge(
    "aqueduct_counters_are_away",
    "1 while there is no connection to the Valkey server that counts for limits and budgets.",
)
REQUESTS_WITHOUT_COUNTERS = Counter(
    "aqueduct_requests_without_counters_total",
    "Requests whose limits or budgets could not be checked, by whether they were served uncounted or refused.",
    ["outcome"],
)
DROPPED_CAPTURES = Counter(
    "aqueduct_dropped_captures_total",
    "Captures, or parts of them, that were dropped because too much was waiting to be written.",
)
TARGET_STATE = Gauge(
    "aqueduct_target_is_open",
    "1 while a target is taken out of use, or tried by one request at a time; `key` numbers its provider's keys.",
    ["target", "key"],
)
TARGETS_OPENED = Counter(
    "aqueduct_targets_opened_total", "How often a target was taken out of use, by the error that decided it.", ["code"]
)
HEALTH_IS_SHARED = Gauge(
    "aqueduct_target_health_is_shared",
    "1 while what is known of targets is shared with the other gateways of a Valkey server.",
)
RETRIES_REFUSED = Counter(
    "aqueduct_retries_refused_total", "Failed attempts that were not followed by another: the retry budget was spent."
)
CACHE_REQUESTS = Counter(
    "aqueduct_cache_requests_total", "Requests for models with a cache, by what it did for them.", ["outcome"]
)
CACHE_JOINS = Counter(
    "aqueduct_cache_joins_total", "Requests that waited for the answer of an equal one instead of asking for it."
)
CACHE_BYTES = Gauge("aqueduct_cache_bytes", "What the answers take that are kept in this process.")
CACHE_FAILURES = Counter(
    "aqueduct_cache_failures_total",
    "Answers that the Valkey server of the cache could not be asked for, or did not take.",
    ["operation"],
)
HEDGES = Counter("aqueduct_hedges_total", "Second targets that were asked beside a slow first one.")
STEERED = Counter(
    "aqueduct_steered_requests_total",
    "Requests that a rule, or a split's side, of their model decided about.",
    ["model", "by"],
)
MIRRORED = Counter(
    "aqueduct_mirrored_requests_total",
    "Copies of requests for a shadow model, by what became of them; of those that were dropped none was sent.",
    ["model", "outcome"],
)
MIRROR_SECONDS = Histogram(
    "aqueduct_mirror_duration_seconds",
    "How long a shadow model took: until its first content (streams), or until the whole answer.",
    ["model", "until"],
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120),
)
