"""Ablation and Comparison: the pages of a study."""
