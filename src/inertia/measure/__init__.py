"""A matvec becomes a Spectrum, batches become gradient noise: measuring, with error bars."""
