"""Case: the sixty-second answer about one patient."""
