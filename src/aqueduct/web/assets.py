"""What browsers load: each file under a name with its hash, so that it may be kept for good, and packed once.

A file is referred to by its name below `static/`; modules import none of the others, whose names they cannot know.
"""

import gzip
import hashlib
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

STATIC = Path(__file__).with_name("static")
PREFIX = "/ui/static/"
DIGITS = 12
MIN_PACKED_BYTES = 500
FOREVER = "public, max-age=31536000, immutable"
TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
SERVED = frozenset({".js", ".css", ".svg", ".png", ".woff2"})


@dataclass(frozen=True)
class Asset:
    """A file as it is served; `packed` is None where that would be no shorter."""

    url: str
    media_type: str
    body: bytes
    packed: bytes | None


class Assets:
    """All files below `static/`, read once."""

    def __init__(self, folder: Path = STATIC) -> None:
        self._by_name: dict[str, Asset] = {}
        self._by_url: dict[str, Asset] = {}
        for path in sorted(folder.rglob("*")):
            if path.suffix in SERVED:
                name = path.relative_to(folder).as_posix()
                asset = read_asset(path, name)
                self._by_name[name] = self._by_url[asset.url] = asset

    def url(self, name: str) -> str:
        """Return where a file is; raises `KeyError` for one that there is not."""
        return self._by_name[name].url

    @property
    def names(self) -> Mapping[str, Asset]:
        """Every file by its name."""
        return self._by_name

    async def serve(self, request: Request) -> Response:
        """Answer with a file."""
        asset = self._by_url.get(request.url.path)
        if asset is None:
            return Response(status_code=404, headers={"cache-control": "no-store"})
        headers = {"cache-control": FOREVER, "vary": "accept-encoding"}
        if asset.packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
            return Response(asset.packed, headers=headers | {"content-encoding": "gzip"}, media_type=asset.media_type)
        return Response(asset.body, headers=headers, media_type=asset.media_type)


def read_asset(path: Path, name: str) -> Asset:
    """Read one file."""
    body = path.read_bytes()
    stem, dot, ending = name.rpartition(".")
    packed = gzip.compress(body, 9, mtime=0) if len(body) >= MIN_PACKED_BYTES else None
    return Asset(
        url=f"{PREFIX}{stem}.{hashlib.sha256(body).hexdigest()[:DIGITS]}{dot}{ending}",
        media_type=TYPES.get(path.suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream",
        body=body,
        packed=packed if packed is not None and len(packed) < len(body) else None,
    )
