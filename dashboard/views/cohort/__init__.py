"""Cohort: how the risk groups separate, and where the hazard lies."""
