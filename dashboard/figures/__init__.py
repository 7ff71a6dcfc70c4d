"""Pure figures: data in, a `Chart` out; no Streamlit, no torch."""
