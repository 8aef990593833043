"""Whatever the YAML: an error that says where, or a config that loads."""

import string
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.config.litellm_import.configs import imported, loaded

from aqueduct.config.litellm_import.parameters import IMAGE_PRICES, PLACES, PRICES, REQUEST_FIELDS, ROUTED, WORDS
from aqueduct.config.litellm_import.rules import RULES
from aqueduct.errors import ConfigurationError

SECRET = "sk-SECRET-0123456789"
names = st.sampled_from(["a", "b", "gpt-4", "*", "openai/*", "a b", "ü", "$x", "${X}", "# c", "y", "1", "a\nb", ""])
models = st.one_of(
    names,
    st.builds("{}/{}".format, st.sampled_from([*RULES, "watsonx", "huggingface", "x"]), names),
)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-10, 10**12),
    st.floats(),
    st.text(max_size=8),
    st.text(string.printable, max_size=12),
    st.sampled_from(
        ["os.environ/NAME", "os.environ/", "http://u:p@h/x?y", "https://h:99999", "http://h/v1", "2024-10-21"]
    ),
    names,
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=6
)
KNOWN = {*PLACES, *ROUTED, *PRICES, *IMAGE_PRICES, *WORDS, *REQUEST_FIELDS}
OTHERS = {
    "aws_region_name",
    "aws_access_key_id",
    "vertex_project",
    "vertex_credentials",
    "project_id",
    "n",
    "if",
    "ü x",
}
parameter_names = st.sampled_from(sorted(KNOWN | OTHERS))
parameters = st.builds(
    lambda given, model: {**given, "model": model} if model is not None else given,
    st.dictionaries(parameter_names, values | st.just({"X-A": "b", "cookie": "c"}), max_size=4),
    models | st.none() | values,
)
secret_parameters = st.builds(lambda given: {**given, "api_key": SECRET}, parameters)
deployments = st.fixed_dictionaries(
    {"model_name": names | scalars, "litellm_params": parameters | secret_parameters},
    optional={
        "model_info": st.dictionaries(st.sampled_from(["mode", "max_input_tokens", "x"]), scalars) | values,
        "x": values,
    },
)
fallbacks = st.lists(st.dictionaries(names, st.lists(names, max_size=3) | values, max_size=2), max_size=3) | values
routers = st.fixed_dictionaries(
    {},
    optional={
        "routing_strategy": st.sampled_from(["simple-shuffle", "least-busy", "cost-based-routing", "x"]) | values,
        "fallbacks": fallbacks,
        "default_fallbacks": st.lists(names) | values,
        "model_group_alias": st.dictionaries(names, names | values, max_size=3) | values,
        "allowed_fails": scalars,
        "cooldown_time": scalars,
        "disable_cooldowns": scalars,
        "timeout": values,
    },
)
documents = st.fixed_dictionaries(
    {"model_list": st.lists(deployments, max_size=4)},
    optional={
        "router_settings": routers | values,
        "litellm_settings": routers | values,
        "general_settings": st.dictionaries(names, values, max_size=2) | values,
        "credential_list": values,
        "environment_variables": st.just({"A": SECRET}) | values,
        "x": values,
    },
)


@settings(max_examples=100, deadline=None)
@given(documents | values)
def test_any_tree_is_an_error_or_a_config_that_loads_and_holds_no_secret(document: Any) -> None:
    text = yaml.safe_dump(document, allow_unicode=True)
    written, refusal = "", ""
    try:
        result = imported(text)
        written = result.text
        loaded(result)
    except ConfigurationError as error:
        refusal = str(error)
    # What was written loads, and what was refused says where.
    assert bool(written) != bool(refusal)
    assert not refusal or refusal.startswith("config.yaml:")
    assert SECRET not in written + refusal


@settings(max_examples=100, deadline=None)
@given(st.text() | st.text("abc:-[]{}&*!|>'\"#?%@,\n \t", max_size=40))
def test_any_text_is_an_error_or_a_config_that_loads(text: str) -> None:
    try:
        result = imported(text.encode("utf-8", "surrogatepass").decode("utf-8", "replace"))
    except ConfigurationError:
        return
    loaded(result)
