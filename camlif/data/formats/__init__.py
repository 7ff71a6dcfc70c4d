"""One module per family of file formats: bytes to columns, bounded before anything unpacks."""
