"""From tables to a cohort: sources, roles of columns, values, repairs, problems, checks."""
