"""The command line: ``camlif COMMAND``, and nothing else."""
