"""Upload & check: files in, report, model match, score."""
