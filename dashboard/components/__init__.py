"""Widgets used by two pages or more."""
