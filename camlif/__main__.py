"""``python -m camlif``."""

from camlif.cli import main

if __name__ == "__main__":
    main()
