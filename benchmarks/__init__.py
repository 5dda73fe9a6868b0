"""How fast Token Lab is, in ratios measured side by side: ``benchmarks/run``."""
