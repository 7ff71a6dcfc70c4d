"""A trained model: fitting, bundle and card, scoring, recognition, and the facts of a case."""
