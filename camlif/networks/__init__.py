"""Fusion networks and their layers."""
