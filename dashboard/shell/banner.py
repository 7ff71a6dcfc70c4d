"""The line on every page and every print, and the style of the frame; imports nothing heavy.

Constant text is drawn; nothing fails.
"""

from __future__ import annotations

import streamlit as st

from dashboard import messages

_STYLE = """
<style>
.camlif-banner {
  position: fixed; top: 0; left: 0; right: 0; z-index: 1000001; height: 32px; line-height: 32px;
  background: #5B0F0F; color: #FFFFFF; text-align: center; font-size: 0.875rem; font-weight: 600;
  white-space: nowrap; overflow: hidden; text-overflow: ellipsis; padding: 0 8px;
}
[data-testid="stHeader"], [data-testid="stSidebar"] { top: 32px !important; }
[data-testid="stSidebar"] { height: calc(100vh - 32px) !important; }
[data-testid="stHeader"] { background: transparent; pointer-events: none; }
[data-testid="stHeader"] button, [data-testid="stToolbar"] { pointer-events: auto; }
[data-testid="stMainBlockContainer"] { padding: 3rem 2.5rem 2rem; }
[data-testid="stLayoutWrapper"]:has(> .st-key-unseen_title) {
  position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);
}
/* Dark theme: white on its light blue is too faint, and a darker blue is so on the page. */
button[kind^="primary"]:not(:disabled) { color: light-dark(#FFFFFF, #0E1117); }
[data-testid="stSidebarNavLink"]:focus-visible, [data-testid="stPageLink-NavLink"]:focus-visible,
[data-testid="stMain"]:focus-visible {
  outline: 2px solid light-dark(#0B5CAD, #7FB8F0); outline-offset: -2px;
}
.st-key-header { padding-right: 3rem; gap: 0.6rem; }
.st-key-header p { font-size: 0.8125rem; }
[data-testid="stSidebarUserContent"] [data-testid="stVerticalBlock"] { gap: 0.6rem; }
.st-key-case_page, .st-key-case_page [data-testid="stVerticalBlock"] { gap: 0.45rem; }
.st-key-case_page .stPrintBorderedColumn { padding: 0.5rem 0.9rem; }
.st-key-case_page p { line-height: 1.4; font-size: 0.9rem; }
.st-key-case_page h2 { font-size: 1rem; padding: 0; }
.st-key-case_page [data-testid="stHeading"] [data-testid="stMarkdownContainer"] { margin: 0; }
.st-key-case_page [data-testid="stCaptionContainer"] p { font-size: 0.8125rem; }
.st-key-case_bar button { min-height: 2.25rem; padding-block: 0; }
.st-key-case_sentence pre, .st-key-case_sentence code {
  font: inherit; font-size: 0.9rem; line-height: 1.4; background: transparent; padding: 0;
}
.st-key-case_sentence pre { padding-right: 2rem; }
.st-key-case_page [data-testid="stImage"] img { max-width: 160px !important; }
@media (max-width: 640px) {
  [data-testid="stMainBlockContainer"] { padding-inline: 1rem; }
  .st-key-case_curves_panel .stElementContainer:has([data-testid="stPlotlyChart"]) {
    overflow-x: auto;
  }
  .st-key-case_curves_panel [data-testid="stPlotlyChart"] { min-width: 600px; }
}
.st-key-case_page [data-testid="stPopoverButton"] { min-height: 1.5rem; padding-block: 0; }
.st-key-case_bar [data-testid="stPopoverButton"] { min-height: 2.25rem; }
.stElementContainer:has(.camlif-banner) { position: absolute; height: 0; }
@media print {
  .camlif-banner {
    position: static; color: #000000; background: #FFFFFF; border: 2px solid #000000;
  }
  [data-testid="stSidebar"], [data-testid="stHeader"], [data-testid="stToolbar"],
  .stButton, .stDownloadButton, .stSelectbox, .stExpander { display: none !important; }
}
@media (prefers-reduced-motion: reduce) {
  * { animation: none !important; transition: none !important; }
}
</style>
"""


def banner() -> None:
    """Show the line that is on every page and every print."""
    st.html(f'{_STYLE}<div class="camlif-banner" role="note">{messages.BANNER}</div>')
