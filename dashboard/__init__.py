"""Streamlit dashboard of CA-MLIF: views and components over pure figures and the library."""
