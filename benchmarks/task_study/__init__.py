"""Tasks with and without a nebula: settings, cells and tables."""
