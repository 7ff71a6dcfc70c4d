"""Model card, records and help."""
