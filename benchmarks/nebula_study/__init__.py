"""The parts of benchmarks/nebula.py: data sets, models, rows, training, measures, cells, report."""
