"""Figures of a study: methods and variants on the same splits, and the figures of the paper."""
