"""One boundary around every page body: errors become messages, never a traceback.

A `CamlifError` is shown with its id and the way to mend it, anything else as E-50 with a reference
that the log has, too.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from camlif.exceptions import CamlifError
from dashboard import messages
from dashboard.components.text import plain

logger = logging.getLogger(__name__)


@contextmanager
def page_guard() -> Iterator[None]:
    """Show expected errors as text and unexpected ones as a code that the server log explains."""
    try:
        yield
    except CamlifError as error:
        st.error(plain(messages.describe(error)))
    except Exception as error:
        reference = secrets.token_hex(4)
        # The message of an unexpected error may quote patient values: log its type and place only.
        place = _innermost(error)
        logger.error("page failed, code %s: %s at %s", reference, type(error).__name__, place)
        st.error(plain(messages.text("E-50", reference=reference)))


def _innermost(error: Exception) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "unknown"
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
