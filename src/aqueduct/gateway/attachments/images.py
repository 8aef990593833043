"""Telling images by their first bytes, as browsers do (WHATWG MIME Sniffing), whatever a server says they are."""

IMAGE_TYPES = ("image/png", "image/jpeg", "image/gif", "image/webp")
"""What every provider with eyes takes."""


def image_type(data: bytes) -> str | None:
    """Return the media type of an image, None where it is none of `IMAGE_TYPES`."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    return "image/webp" if data[:4] == b"RIFF" and data[8:12] == b"WEBP" else None
