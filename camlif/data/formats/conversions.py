"""Formats that can run code when they are opened: never read, but told how to convert."""

from __future__ import annotations

_BAG = "np.savez_compressed('slide.npz', features=x)"

CONVERSIONS = {
    ".pt": ("x = torch.load('slide.pt', weights_only=True)", _BAG),
    ".pth": ("x = torch.load('slide.pth', weights_only=True)", _BAG),
    ".pkl": ("x = pd.read_pickle('table.pkl')", "x.to_parquet('table.parquet')"),
    ".pickle": (
        "x = pd.read_pickle('table.pickle')",
        "x.to_parquet('table.parquet')",
    ),
    ".joblib": ("x = joblib.load('table.joblib')", "x.to_parquet('table.parquet')"),
    ".npy": ("x = np.load('slide.npy', allow_pickle=False)", _BAG),
    ".rds": ("x <- readRDS('table.rds')", "write.csv(x, 'table.csv', row.names = FALSE)"),
    ".rdata": ("load('table.RData')", "write.csv(x, 'table.csv', row.names = FALSE)"),
}
"""The two lines that convert a file, by its ending; for files whose origin is trusted."""


def conversion(name: str) -> tuple[str, str] | None:
    """Return the two lines that convert a file of a refused format; None for other files."""
    lowered = name.lower()
    return next((lines for end, lines in CONVERSIONS.items() if lowered.endswith(end)), None)
