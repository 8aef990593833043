"""What is reserved for images, recordings and files: what they usually take, not the length of their base64."""

import json
from typing import Any

import pytest

from aqueduct.gateway.input_size import estimate_input_tokens
from aqueduct.gateway.routing.traits import Traits
from aqueduct.wire.chat import parse_chat
from aqueduct.wire.completions import parse_completion

MEGABYTE = "A" * 1_398_104
"""In base64."""


def image(url: str, **members: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url, **members}}


def file(**members: str) -> dict[str, Any]:
    return {"type": "file", "file": members}


@pytest.mark.parametrize(
    ("part", "least", "most"),
    [
        (image(f"data:image/png;base64,{MEGABYTE}"), 1_500, 1_600),
        (image(f"data:image/png;base64,{MEGABYTE}", detail="low"), 85, 185),
        (image("https://a.example/b.png"), 1_500, 1_600),
        (file(filename="a.pdf", file_data=f"data:application/pdf;base64,{MEGABYTE}"), 60_000, 70_000),
        (file(filename="a.csv", file_data=MEGABYTE), 240_000, 250_100),
        (file(file_data=f"data:text/plain;base64,{MEGABYTE}"), 240_000, 250_100),
        (file(filename="a.pdf", file_data=MEGABYTE * 10), 250_000, 250_100),
        (file(file_data="https://a.example/b.pdf"), 1_500, 1_600),
        (file(file_id="file-1"), 1_500, 1_600),
        ({"type": "input_audio", "input_audio": {"format": "wav", "data": MEGABYTE}}, 1_000, 1_200),
        ({"type": "text", "text": "A" * 40_000}, 10_000, 10_100),
    ],
    ids=range(11),
)
def test_each_part_counts_for_what_it_is(part: dict[str, Any], least: int, most: int) -> None:
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": [part]}]}).encode()
    request = parse_chat(body)
    assert least <= estimate_input_tokens(request, len(body)) <= most
    assert least <= Traits(request, "t").size[0] <= most


def test_text_alone_is_a_token_for_four_bytes() -> None:
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "A" * 4_000}]}).encode()
    assert estimate_input_tokens(parse_chat(body), len(body)) == len(body) // 4
    body = b'{"model": "m", "prompt": "p"}'
    assert estimate_input_tokens(parse_completion(body), len(body)) == len(body) // 4
