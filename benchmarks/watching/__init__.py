"""What the watch claims, measured; see benchmarks/watch.py."""
