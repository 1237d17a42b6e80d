"""Optimizers as frameworks write them: their words and ours (`conventions`), and what one really does (`identification`)."""
