"""Validation: do probabilities hold, do risks rank, for whom."""
