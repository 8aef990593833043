"""Configs as people run LiteLLM with, and the loader that the results must pass."""

from collections.abc import Mapping

from aqueduct.config.compile import compile_source
from aqueduct.config.litellm_import.conversion import Imported, convert
from aqueduct.config.load import parse_source
from aqueduct.domain.snapshot import Snapshot
from aqueduct.providers.registry import KINDS

SMALL_TEAM = """
model_list:
  - model_name: gpt-4o
    litellm_params:
      model: gpt-4o
      api_key: os.environ/OPENAI_API_KEY
      rpm: 500
      tpm: 200000
  - model_name: gpt-4o
    litellm_params:
      model: azure/gpt-4o-eu
      api_base: https://example-eu.openai.azure.com/
      api_key: os.environ/AZURE_EU_KEY
      api_version: 2024-10-21
      rpm: 1500
      timeout: 45
      order: 2
    model_info:
      mode: chat
      base_model: azure/gpt-4o
      max_input_tokens: 128000
  - model_name: claude
    litellm_params:
      model: anthropic/claude-sonnet-4-5
      api_key: sk-ant-a-real-secret-0001
      temperature: 0.2
  - model_name: vectors
    litellm_params: {model: openai/text-embedding-3-small}
    model_info: {mode: embedding}
router_settings:
  routing_strategy: simple-shuffle
  num_retries: 3
  allowed_fails: 2
  cooldown_time: 30
  model_group_alias: {main: gpt-4o, fast: {model: claude, hidden: true}}
  fallbacks: [{gpt-4o: [claude]}, {claude: [gpt-4o]}]
  context_window_fallbacks: [{gpt-4o: [claude]}]
  redis_host: cache.example
litellm_settings:
  drop_params: true
  cache: true
general_settings:
  master_key: sk-master-secret-0002
  database_url: os.environ/DATABASE_URL
environment_variables:
  LANGFUSE_SECRET_KEY: sk-lf-secret-0003
"""

LONG_TAIL = """
defaults: &defaults
  max_retries: 2
  timeout: 600
credential_list:
  - credential_name: lab
    credential_values:
      api_base: http://10.0.0.5:8000/v1
      api_key: none
    credential_info: {description: our GPUs}
model_list:
  - model_name: llama
    litellm_params:
      <<: *defaults
      model: hosted_vllm/meta-llama/Llama-4
      litellm_credential_name: lab
      input_cost_per_token: 1e-07
      output_cost_per_token: 0.0000004
      max_parallel_requests: 16
  - model_name: granite
    litellm_params:
      <<: *defaults
      model: watsonx/ibm/granite-3-8b-instruct
      api_base: https://us-south.ml.cloud.example
      api_key: os.environ/WATSONX_APIKEY
      project_id: 0f5c-11
      zen_api_key: zen-secret-0004
  - model_name: gemini
    litellm_params:
      model: vertex_ai/gemini-2.5-pro
      vertex_project: my-project
      vertex_location: europe-west4
      vertex_credentials: os.environ/GOOGLE_CREDENTIALS
  - model_name: claude-on-vertex
    litellm_params: {model: vertex_ai/claude-sonnet-4@20250514, vertex_project: my-project}
  - model_name: haiku
    litellm_params:
      model: bedrock/converse/eu.anthropic.claude-haiku-4-5-20251001-v1:0
      aws_region_name: eu-west-1
      aws_access_key_id: AKIA-secret-0005
      aws_secret_access_key: os.environ/AWS_SECRET
  - model_name: qwen
    litellm_params: {model: ollama_chat/qwen3, api_base: "http://localhost:11434"}
router_settings:
  routing_strategy: latency-based-routing
litellm_settings:
  default_fallbacks: [llama]
"""

WILDCARDS = """
model_list:
  - model_name: "*"
    litellm_params: {model: "openai/*", api_key: os.environ/OPENAI_API_KEY}
  - model_name: "anthropic/*"
    litellm_params: {model: "anthropic/*", api_key: os.environ/ANTHROPIC_API_KEY}
  - model_name: weighted
    litellm_params: {model: openai/gpt-4.1, weight: 9}
  - model_name: weighted
    litellm_params: {model: openai/gpt-4.1-mini, weight: 1}
  - model_name: weighted
    litellm_params: {model: groq/llama-3.3-70b-versatile, weight: 0}
  - model_name: org/deep$seek
    litellm_params: {model: deepseek/deepseek-chat, extra_headers: {X-Team: blue}, organization: org-1}
router_settings:
  routing_strategy: cost-based-routing
"""


def imported(text: str) -> Imported:
    return convert(text.encode(), "config.yaml", KINDS)


def loaded(result: Imported) -> Snapshot:
    return compile_source(parse_source(result.text.encode(), "aqueduct.yaml", environment(result)), KINDS)


def environment(result: Imported) -> Mapping[str, str]:
    """Return a value for each variable that the file wants, one that may stand wherever it is used."""
    return {each.name: _value(each.name) for each in result.variables}


def _value(name: str) -> str:
    return "http://upstream.example/v1" if "BASE" in name or "URL" in name else f"of-{name}"
