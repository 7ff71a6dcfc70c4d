"""Explain: what the model relies on."""
