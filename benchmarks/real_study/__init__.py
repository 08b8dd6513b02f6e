"""Real data: rows, how they are laid out, what learns on them, and tables."""
