"""Trainings, studies and scoring as jobs beside the pages."""
