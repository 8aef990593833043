"""Where log lines go and what they look like: standard error, readable or one JSON object a line."""

import logging
import sys

import structlog
from typing_extensions import override

from aqueduct.settings import Settings


class _Forwarding(logging.Handler):
    """Gives what libraries log the form of our own lines."""

    @override
    def emit(self, record: logging.LogRecord) -> None:
        logger = structlog.get_logger(record.name)
        logger.log(record.levelno, record.getMessage(), exc_info=record.exc_info)


def configure_logs(settings: Settings) -> None:
    """Set logging up for the whole process; standard output is left to what commands print."""
    is_json = settings.log_format == "json"
    rendering: list[structlog.typing.Processor] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
        if is_json
        # structlog's own choice shows every local variable (prompts, keys) and takes half a second for it.
        else [
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
        ]
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *rendering,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(settings.log_level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[_Forwarding()])
    # Its warnings are about bad HTTP: a stranger could fill the disk with them.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
