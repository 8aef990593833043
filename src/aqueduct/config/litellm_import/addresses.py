"""Base URLs as the config takes them: no credential, query or fragment, nothing that no request line can carry."""

from urllib.parse import urlsplit

_PORTS = {"http": 80, "https": 443}


def read_address(text: str) -> tuple[str, bool] | None:
    """Return the address without what it may not hold, and whether something was taken off; None if it is none."""
    try:
        url = urlsplit(text.strip())
        port = url.port
    except ValueError:
        return None
    if url.scheme not in _PORTS or not url.hostname:
        return None
    host = f"[{url.hostname}]" if ":" in url.hostname else url.hostname
    path = url.path.rstrip("/")
    if not all(32 < ord(character) < 127 for character in host + path) or set(host) & set("\\<>\"'{}|^`%"):
        return None
    authority = host if port is None else f"{host}:{port}"
    return f"{url.scheme}://{authority}{path}", bool(url.username or url.password or url.query or url.fragment)
