"""Penalised Cox regression: penalty paths, choice of columns, averages over draws."""
