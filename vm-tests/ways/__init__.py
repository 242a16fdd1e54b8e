"""Other ways to run machines: the demo and the benchmarks."""
