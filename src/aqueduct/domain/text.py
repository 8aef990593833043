"""Text that strangers chose, as it may be shown."""

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def printable(text: str) -> str:
    """Return a text without what a terminal, a log or a page would act on: each such character is a `REPLACEMENT`."""
    return text if text.isprintable() else "".join(each if each.isprintable() else REPLACEMENT for each in text)
