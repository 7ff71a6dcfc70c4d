"""Training of stacked members, and the ensemble they form."""
