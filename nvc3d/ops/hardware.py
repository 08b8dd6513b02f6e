"""On which hardware the CUDA kernels have passed their tests."""

# The GPU whose report benchmarks/gpu_report.py wrote into the pages; empty until there is one.
RUN_ON = ""
