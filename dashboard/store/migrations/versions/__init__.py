"""One file per revision of the tables; a released one is never edited."""
