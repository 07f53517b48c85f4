"""What reads the requests of one connection: long ones too, and of one that it cannot read it repeats nothing.

aiohttp's own puts a piece of a broken request into its answer and into a log, and a token may be in it.
"""

from collections.abc import Callable
from logging import CRITICAL, Logger
from typing import Any

import structlog
from aiohttp import web

LONGEST_LINE = 1 << 16
"""Bytes: a thousand instruments are in the address of one quote."""
_QUIET = Logger("wires", CRITICAL + 1)
_log = structlog.get_logger()


class Handler(web.RequestHandler):
    """One connection."""

    __slots__ = ("_sign",)

    def __init__(self, *given: Any, sign: Callable[[web.StreamResponse], None], **more: Any) -> None:
        """`sign` writes into the head of an answer whose it is and when."""
        self._sign = sign
        super().__init__(*given, max_line_size=LONGEST_LINE, access_log=_QUIET, logger=_QUIET, **more)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Say that it failed, not on what; the connection ends."""
        _log.warning("request_unreadable", status=status, error=type(exc).__name__)
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun already")
        response = web.Response(status=status, text="The request cannot be read.")
        self._sign(response)
        response.force_close()
        return response
