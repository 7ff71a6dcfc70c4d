"""Help: words, keys, walk-throughs, known gaps.

Constant texts are drawn; nothing fails.
"""

from __future__ import annotations

import streamlit as st

GLOSSARY = {
    "Hazard": "How fast events happen among patients who have had none so far.",
    "Log risk": "The model's output. A difference of 0.7 doubles the hazard, 1.1 triples it.",
    "z": "Log risk in SDs above the mean of the training cohort's held-out risks.",
    "Held-out risk": "A risk from models that did not see the patient in training.",
    "Member": "One of the models of the ensemble, each trained on its own split of the patients.",
    "Risk group": "Low, intermediate or high, by cut-offs frozen when the model was trained.",
    "Model interval": "Where an ensemble of many models would lie, in 95 of 100 cases.",
    "Borderline": "The model interval crosses a cut-off, so many models might say another group.",
    "9 of 10 live longer": "A time that 9 of 10 patients with such a score outlive, as measured.",
    "C-index": "Share of patient pairs that the model ranks right. 0.5 is chance, 1 is perfect.",
    "Log-rank test": "Whether survival differs between groups more than chance would make it.",
    "Censoring": "Follow-up ended before the event. Such patients count until then.",
    "Calibration": "Whether predicted frequencies are those observed. In the training cohort they "
    "are recalibrated within this cohort; not an external check. If they fail it, they are hidden.",
    "Shapley value": "A modality's average effect on the score over all ways of adding it.",
    "Split": "One division of the patients into four fifths for training and a fifth for testing.",
    "Study": "Several methods trained and tested on the same splits of one cohort.",
    "Integrated gradients": "A feature's share of the way from the baseline to this score.",
    "Completeness gap": "The part of the score that the contributions leave unexplained.",
}
KEYS = {
    "Alt+J": "next case",
    "Alt+K": "previous case",
    "Alt+P": "the case as a PDF",
    "Alt+L": "leave the meeting",
    "Tab, Enter": "move to and use any control",
}
WALKS = {
    "Review one case": (
        "Open Case and type the patient's identifier.",
        "Read the risk group, then how sure it is and whether the data are in range.",
        "Pick a horizon. Look where the dashed curve runs among the risk groups.",
        "Read why: modalities first, then features with their raw values.",
    ),
    "Hold a board meeting": (
        "On Cohort, send the patients to discuss to a worklist; or add them one by one on Case.",
        "On Meeting, choose the worklist and save the packet: agenda, warnings, a page a case.",
        "Switch on Commit first there to record the board's estimate before the result shows.",
        "Begin the meeting. Alt+J walks on; decide and note beside what was said last time.",
        "End it, and save the minutes: who decided and noted what, and when.",
        "The administrator finds, exports and erases them on Records.",
    ),
    "Bring your own tables": (
        "Open Upload & check and add the clinical table and one table per modality.",
        "Look at what was read as what; change it, or confirm what was inferred.",
        "Mend what is listed as an error by its button; every line says file, column and row.",
        "Save the mapping as cohort.toml: added to the next upload, it is used again.",
        "Pick the model that has your columns and score, or train one on these tables.",
    ),
    "Compare groups": (
        "Open Cohort and group the curves by risk group, subtype or grade.",
        "In Clinical, click a bar to show its patients alone; the sidebar names each such filter.",
        "In Groups, name groups of the patients shown, of a risk group, a column or a list; in "
        "Hazard by subtype, draw a lasso around points.",
        "Groups tests every column between them; select one to draw it, or compare their curves.",
        "Download the numbers as CSV and the settings as JSON.",
    ),
    "Compare methods": (
        "Open Comparison for rivals and single modalities, Ablation for CA-MLIF without its parts.",
        "Read the interval of each method, then the paired differences on the same test parts.",
        "Start a study of other methods on Runs; it goes on if you leave the page.",
    ),
}
READING = {
    "Decided, and said": "Which table is the clinical one; which columns tell the outcome, and "
    "that no column that carries it is an input; thousands and decimals where a column or file "
    "leaves one reading; marks for missing, with their rows; (1.25) as -1.25 where "
    "no minus sign is written; the unit behind all numbers of a column; a date in columns of day, "
    "month and year; equal copies of a column as one; primary tumours of TCGA samples.",
    "Asked": "A unit that no name tells; codes of the event that may mean either; whether day or "
    "month comes first; identifiers that differ in spelling alone, or have something "
    "before or behind such as P1_CT; copies of a column that differ, such as age.x and age.y; "
    "several files that may be one table; 1,735 where both readings fit; "
    "two tables or columns that may both be meant. Each has buttons for its answers.",
    "Refused": "Identifiers that a spreadsheet rounded, personal data, dates among numbers, and "
    "formats of statistics programs, with the lines that convert them.",
}
"""What becomes of what a table leaves open."""
GAPS = (
    "Points of a chart cannot be reached by keyboard. Table beside each chart holds the "
    "same numbers, and the Table view of Cohort opens a case by row.",
    "A lasso needs a pointer. Filters in the sidebar make the same groups.",
    "The menu of pages is marked up as a list with its sections in between, so a screen reader may "
    "miscount its entries. Every page is a link there all the same.",
)


def main() -> None:
    """Draw the page."""
    st.header("Walk-throughs", anchor=False)
    for title, steps in WALKS.items():
        with st.expander(title):
            for number, step in enumerate(steps, start=1):
                st.markdown(f"{number}. {step}")
    st.header("Reference", anchor=False)
    with st.expander("How tables are read"):
        for what, text in READING.items():
            st.markdown(f"**{what}.** {text}")
    with st.expander("Keys"):
        for keys, meaning in KEYS.items():
            st.markdown(f"- **{keys}**: {meaning}")
    with st.expander("Glossary"):
        for word, meaning in GLOSSARY.items():
            st.markdown(f"**{word}.** {meaning}")
    st.header("Known gaps", anchor=False)
    for gap in GAPS:
        st.markdown(f"- {gap}")
    st.header("Report a problem", anchor=False)
    st.markdown(
        "Say what you did, the page, and the code of the message (E-50 shows one). Do not send "
        "tables or screenshots that show identifiers."
    )


main()
