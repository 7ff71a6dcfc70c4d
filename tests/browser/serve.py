"""Streamlit's command line, with explanations checked on as few patients as decide anything."""

from __future__ import annotations

import sys

from streamlit.web.cli import main

from camlif.explain import verdicts

if __name__ == "__main__":
    verdicts.N_PATIENTS = 12
    sys.exit(main(prog_name="streamlit"))
