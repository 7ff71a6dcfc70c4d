"""Case reports: one record, rendered as PDF, JSON and FHIR. Pure: no Streamlit, no torch."""
