"""The names of `litellm_params` and `model_info`, by what becomes of them."""

PLACES = frozenset({"api_base", "api_key", "api_version", "base_url", "custom_llm_provider", "extra_headers"}) | {
    "litellm_credential_name",
    "model",
    "organization",
}
"""They say which provider it is."""

ROUTED = frozenset({"max_parallel_requests", "order", "rpm", "stream_timeout", "timeout", "tpm", "weight"})
"""They belong to the target."""

PRICES = {
    "input_cost_per_token": "input_per_million",
    "cache_read_input_token_cost": "cached_per_million",
    "cache_creation_input_token_cost": "cache_write_per_million",
    "input_cost_per_audio_token": "input_audio_per_million",
    "output_cost_per_token": "output_per_million",
    "output_cost_per_reasoning_token": "reasoning_per_million",
    "output_cost_per_audio_token": "output_audio_per_million",
}
IMAGE_PRICES = ("output_cost_per_image", "input_cost_per_image")

REQUEST_FIELDS = frozenset(
    {"extra_body", "frequency_penalty", "logit_bias", "max_completion_tokens", "max_tokens", "metadata", "n"}
    | {"parallel_tool_calls", "presence_penalty", "reasoning_effort", "response_format", "seed", "stop", "stream"}
    | {"temperature", "thinking", "tool_choice", "tools", "top_k", "top_p", "user"}
)
"""They are members of a request, which a deployment sets for its clients."""

SILENT = frozenset({"api_type", "base_model", "created_at", "created_by", "db_model", "description", "id"}) | {
    "direct_access",
    "key",
    "litellm_provider",
    "max_output_tokens",
    "mode",
    "tier",
    "updated_at",
    "updated_by",
    "use_in_pass_through",
}
"""They change nothing of what is served."""

WORDS = {
    "access_groups": "who may use which model is said by model rules: `aqueduct model-rule create`",
    "allowed_openai_params": "fields that a service is not known to have are refused or left out: see its kind",
    "additional_drop_params": "name such fields in the provider's `drop_fields`",
    "budget_duration": "budgets belong to organisations, teams, users and tokens: `aqueduct budget create`",
    "cache_control_injection_points": "clients mark what is cached themselves",
    "configurable_clientside_auth_params": "a client may not say with which key or where it is asked",
    "default_api_key_rpm_limit": "limits of callers are rules: `aqueduct limit create`",
    "default_api_key_tpm_limit": "limits of callers are rules: `aqueduct limit create`",
    "drop_params": "name fields to leave out in the provider's `drop_fields`; what changes little is left out anyway",
    "guardrails": "nothing checks what is said on its way, but for the filters that a provider has of its own",
    "max_budget": "budgets belong to organisations, teams, users and tokens: `aqueduct budget create`",
    "max_retries": "retries are paid from a budget, three rounds at most: see `retries`",
    "merge_reasoning_content_in_choices": "what a model thought always comes as `reasoning_content`",
    "mock_response": "there are no answers but those of models",
    "num_retries": "retries are paid from a budget, three rounds at most: see `retries`",
    "tags": "targets cannot be chosen by tags of a request",
    "team_id": "who may use which model is said by model rules: `aqueduct model-rule create`",
}
"""What to do in place of a parameter that is not carried over."""

SECRETS = ("credential", "key", "password", "private", "secret", "token")
"""A parameter whose name holds one of these is a secret, for all that is known."""


def is_secret(name: str) -> bool:
    """Whether the value of a parameter must not be copied."""
    return any(word in name.lower() for word in SECRETS)
