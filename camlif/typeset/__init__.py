"""Setting pages: Typst, its fonts, and which letters can be printed."""
