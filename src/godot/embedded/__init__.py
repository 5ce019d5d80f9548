"""Real servers out of PyPI wheels, so that the whole system runs where only Python is installed."""
