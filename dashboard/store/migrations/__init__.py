"""Alembic's environment; applied when the database is opened."""
