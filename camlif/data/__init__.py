"""Cohorts: schemas, reading, checks, preprocessing, splits, samples and simulation."""
