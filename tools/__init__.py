"""Programs for maintainers, which write files of this checkout.  They are not installed."""
