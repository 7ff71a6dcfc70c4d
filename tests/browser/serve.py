"""Streamlit's command line, with explanations checked on as few patients as decide anything.

No case is explained ahead: every server of the tests would do so for a minute.
"""

from __future__ import annotations

import sys

from streamlit.web.cli import main

from camlif.explain import verdicts
from dashboard.session.shared_results import Request

if __name__ == "__main__":
    verdicts.N_PATIENTS = 12
    Request.prepare = lambda _: None  # type: ignore[method-assign]
    sys.exit(main(prog_name="streamlit"))
