"""What maintainers run: it writes files of this checkout, and nothing of it is installed."""
