"""Runs: start a training or a study, and watch it."""
