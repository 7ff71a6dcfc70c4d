"""Penalised Cox regression: likelihood, penalty paths, choice of columns, averages over draws."""
