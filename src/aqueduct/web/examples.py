"""A first call, as people paste it: in a shell, in Python, in JavaScript."""

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from aqueduct.web.visit import Visit

VALUE = "YOUR_API_TOKEN"
"""What stands where the value of a token belongs, as long as there is none to show."""
QUESTION = "Write me a short poem!"
FALLBACK_MODEL = "your-model-name"
PREFERRED_MODEL = "default"


@dataclass(frozen=True)
class Example:
    """A first call in one language; `id` is its tab's."""

    id: str
    label: str
    code: str


def examples(base_url: str, model: str, value: str | None = None) -> list[Example]:
    """Return a first call of a model in each language."""
    address, credential = f"{base_url}/v1", value or VALUE
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": QUESTION}]})
    curl = (
        f"curl {shlex.quote(f'{address}/chat/completions')} \\\n"
        f"  -H 'Authorization: Bearer {credential}' \\\n"
        f"  -H 'Content-Type: application/json' \\\n"
        f"  -d {shlex.quote(body)}"
    )
    name, url, key = json.dumps(model), json.dumps(address), json.dumps(credential)
    python = (
        "from openai import OpenAI\n\n"
        f"client = OpenAI(\n    base_url={url},\n    api_key={key},\n)\n"
        "completion = client.chat.completions.create(\n"
        f"    model={name},\n"
        f'    messages=[{{"role": "user", "content": "{QUESTION}"}}],\n'
        ")\n"
        "print(completion.choices[0].message.content)"
    )
    javascript = (
        'import OpenAI from "openai";\n\n'
        f"const client = new OpenAI({{\n  baseURL: {url},\n  apiKey: {key},\n}});\n"
        "const completion = await client.chat.completions.create({\n"
        f"  model: {name},\n"
        f'  messages: [{{ role: "user", content: "{QUESTION}" }}],\n'
        "});\n"
        "console.log(completion.choices[0].message.content);"
    )
    return [Example("curl", "curl", curl), Example("python", "Python", python), Example("js", "JavaScript", javascript)]


async def example_model(visit: Visit, allowed: Sequence[str] | None = None) -> str:
    """Return the name of a model for a first call, one of those that a token allows if it names any."""
    names = [name for name, _ in await visit.models()]
    named = [name for name in allowed or () if name in names]
    if named:
        return named[0]
    return PREFERRED_MODEL if PREFERRED_MODEL in names else next(iter(names), FALLBACK_MODEL)
