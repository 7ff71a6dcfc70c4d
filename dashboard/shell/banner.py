"""The line on every page and every print, and the style of the frame; imports nothing heavy.

Constant text is drawn; nothing fails.
"""

from __future__ import annotations

import streamlit as st

from dashboard import messages

_STYLE = """
<style>
:root { --banner: 32px; --banner-line: 32px; }
@media (max-width: 640px) { :root { --banner: 48px; --banner-line: 24px; } }
.camlif-banner {
  position: fixed; top: 0; left: 0; right: 0; z-index: 1000001; height: var(--banner);
  line-height: var(--banner-line); background: #5B0F0F; color: #FFFFFF; text-align: center;
  font-size: 0.875rem; font-weight: 600; padding: 0 8px;
}
[data-testid="stHeader"], [data-testid="stSidebar"] { top: var(--banner) !important; }
[data-testid="stSidebar"] { height: calc(100vh - var(--banner)) !important; }
[data-testid="stHeader"] { background: transparent; pointer-events: none; }
[data-testid="stHeader"] button, [data-testid="stToolbar"] { pointer-events: auto; }
[data-testid="stMainBlockContainer"] { padding: 3rem 2.5rem 2rem; }
[data-testid="stLayoutWrapper"]:has(> .st-key-unseen_title),
body:has(.st-key-meeting_page) [data-testid="stLayoutWrapper"]:has(> .st-key-page_title) {
  position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);
}
/* Dark theme: white on its light blue is too faint, and a darker blue is so on the page. */
button[kind^="primary"]:not(:disabled) { color: light-dark(#FFFFFF, #0E1117); }
[data-testid="stSidebarNavLink"]:focus-visible, [data-testid="stPageLink-NavLink"]:focus-visible,
[data-testid="stMain"]:focus-visible {
  outline: 2px solid light-dark(#0B5CAD, #7FB8F0); outline-offset: -2px;
}
.st-key-header { padding-right: 3rem; gap: 0.6rem; }
body:has([data-testid="stExpandSidebarButton"]) .st-key-header { padding-left: 2rem; }
.st-key-header p { font-size: 0.8125rem; }
[data-testid="stSidebarUserContent"] [data-testid="stVerticalBlock"] { gap: 0.6rem; }
.st-key-case_page, .st-key-case_page [data-testid="stVerticalBlock"] { gap: 0.45rem; }
.st-key-case_page .stPrintBorderedColumn { padding: 0.5rem 0.9rem; }
.st-key-case_page p { line-height: 1.4; font-size: 0.9rem; }
.st-key-case_page h2 { font-size: 1rem; padding: 0; }
.st-key-case_page [data-testid="stHeading"] [data-testid="stMarkdownContainer"] { margin: 0; }
.st-key-case_page [data-testid="stCaptionContainer"] p { font-size: 0.8125rem; }
.st-key-case_bar button { min-height: 2.25rem; padding-block: 0; }
.st-key-case_page .st-key-case_answer p, .st-key-case_answer span.stMarkdownBadge {
  font-size: 1.2rem !important; line-height: 1.35 !important;
}
.stMarkdownBadge { white-space: normal !important; text-overflow: clip; }
.st-key-case_sentence pre, .st-key-case_sentence code {
  font: inherit; font-size: 0.9rem; line-height: 1.4; background: transparent; padding: 0;
}
.st-key-case_sentence pre { padding-right: 2rem; }
.st-key-case_page [data-testid="stImage"] img { min-width: 160px; max-width: 160px !important; }
.st-key-case_words { min-width: 8.5rem; gap: 0.3rem; }
@media (min-width: 641px) { .st-key-case_picture { flex-wrap: nowrap; } }
@media (max-width: 640px) {
  [data-testid="stMainBlockContainer"] { padding: 4rem 1rem 2rem; overflow-x: clip; }
  /* The names at the ends of curves, which have the room of END_ROOM, stand below as well: of
     what is written on curves only the first, the heading of the numbers at risk, is shown. */
  .st-key-case_curves, .st-key-kaplan_meier, .st-key-training_curves {
    width: calc(100% + 116px) !important; max-width: none !important;
  }
  :is(.st-key-case_curves, .st-key-kaplan_meier, .st-key-training_curves)
    .annotation:not([data-index="0"]) {
    display: none;
  }
  /* Charts of several plots, or with texts on both sides, keep what they need, and scroll. */
  [class*="st-key-wide_"] { overflow-x: auto; }
  [class*="st-key-wide_"] > .stElementContainer {
    width: 640px !important; max-width: none !important;
  }
}
/* Four panels on a small screen: who and how sure at the left, result and curves at the right. */
@media (min-width: 641px) and (max-width: 1199px) {
  [data-testid="stMetricValue"] { font-size: 1.5rem; }
  [data-testid="stMetricLabel"] * { white-space: normal; }
  [data-testid="stSidebar"][data-collapsed="false"] {
    min-width: 200px !important; max-width: 200px !important;
  }
  [data-testid="stMainBlockContainer"] { padding: 2.3rem 1rem 1rem; gap: 0.4rem; }
  .st-key-header { gap: 0 0.4rem; padding-right: 1.5rem; }
  .st-key-header p { font-size: 0.6875rem; }
  .st-key-case_bar { gap: 0.4rem; }
  .st-key-case_bar .st-key-case_row, .st-key-case_bar .st-key-case_row > div {
    width: 8rem !important; min-width: 8rem; flex: 0 0 8rem !important;
  }
  .st-key-case_bar button { padding-inline: 0.4rem; }
  .st-key-case_page p, .st-key-case_sentence pre, .st-key-case_sentence code,
  .st-key-case_page [data-testid="stCaptionContainer"] p {
    font-size: 0.8125rem !important; line-height: 1.3 !important;
  }
  .st-key-case_page [data-testid="stVerticalBlock"] { gap: 0.3rem; }
  .st-key-case_page .st-key-case_answer p, .st-key-case_answer span.stMarkdownBadge {
    font-size: 1.05rem !important; line-height: 1.25 !important;
  }
  .st-key-case_first [data-testid="stButtonGroup"] button { min-height: 1.6rem; height: 1.6rem; }
  .st-key-case_page .stPrintBorderedColumn { padding: 0.3rem 0.6rem; width: auto; }
  .st-key-case_first:has(.st-key-case_curves_panel) {
    display: grid; grid-template-columns: 18rem minmax(0, 1fr); gap: 0.4rem;
    grid-template-rows: auto auto 1fr; align-items: start;
  }
  .st-key-case_first > [data-testid="stLayoutWrapper"]:has(> .stHorizontalBlock),
  .st-key-case_first > [data-testid="stLayoutWrapper"] > .stHorizontalBlock { display: contents; }
  .st-key-case_first .stColumn:nth-child(1) { grid-area: 1 / 1 / 2 / 2; }
  .st-key-case_first .stColumn:nth-child(2) { grid-area: 1 / 2 / 3 / 3; }
  .st-key-case_first .stColumn:nth-child(3) { grid-area: 2 / 1 / 4 / 2; }
  .st-key-case_first > [data-testid="stLayoutWrapper"]:has(> .st-key-case_curves_panel) {
    grid-area: 3 / 2 / 4 / 3;
  }
  /* Within the frame that is measured: what shrinks the frame shrinks the chart twice. */
  .st-key-case_curves_panel { overflow-x: clip; }
  .st-key-case_curves {
    width: calc(100% / 0.76) !important; max-width: none !important; margin-bottom: -72px;
  }
  .st-key-case_curves .plot-container { zoom: 0.76; }
}
.st-key-case_page [data-testid="stPopoverButton"] { min-height: 1.5rem; padding-block: 0; }
.st-key-case_bar [data-testid="stPopoverButton"] { min-height: 2.25rem; }
.stElementContainer:has(.camlif-banner) { position: absolute; height: 0; }
/* A meeting is read from the far end of a table, and has the screen to itself. */
body:has(.st-key-meeting_page) :is(
  [data-testid="stSidebar"], [data-testid="stExpandSidebarButton"]
) { display: none; }
body:has(.st-key-meeting_page) [data-testid="stMainBlockContainer"] { gap: 0.6rem; }
.st-key-meeting_page [data-testid="stVerticalBlock"] { gap: 0.6rem; }
.st-key-meeting_page :is(p, li, label, code, pre, textarea, button) {
  font-size: 1.25rem !important; line-height: 1.4 !important;
}
.st-key-meeting_page [data-testid="stCaptionContainer"] p { font-size: 1rem !important; }
.st-key-meeting_page .stMarkdownBadge { font-size: 1.1rem !important; }
.st-key-meeting_result .stMarkdownBadge, .st-key-meeting_page h2 { font-size: 1.5rem !important; }
.st-key-meeting_page h2 { padding: 0.2rem 0; }
.st-key-meeting_page .st-key-case_picture { flex-wrap: wrap; }
.st-key-meeting_bar p { font-size: 1.75rem !important; }
.st-key-meeting_bar button p { font-size: 1rem !important; }
@media print {
  .camlif-banner {
    position: static; color: #000000; background: #FFFFFF; border: 2px solid #000000;
  }
  .stElementContainer:has(.camlif-banner) { position: static; height: auto; }
  [data-testid="stSidebar"], [data-testid="stHeader"], [data-testid="stToolbar"],
  .stButton, .stDownloadButton, .stSelectbox, .stExpander { display: none !important; }
  .stApp, [data-testid="stAppViewContainer"], [data-testid="stMain"] {
    position: static !important; display: block !important; height: auto !important;
    overflow: visible !important;
  }
  /* Charts keep the width that they have on the screen: the page is made as wide. */
  [data-testid="stMainBlockContainer"] { zoom: 0.68; padding: 0; max-width: none; }
  [data-testid="stPlotlyChart"], [data-testid="stColumn"] { break-inside: avoid; }
  @page { size: A4 landscape; margin: 10mm; }
}
@media (prefers-reduced-motion: reduce) {
  * { animation: none !important; transition: none !important; }
}
</style>
"""


def banner() -> None:
    """Show the line that is on every page and every print."""
    st.html(f'{_STYLE}<div class="camlif-banner" role="note">{messages.BANNER}</div>')
