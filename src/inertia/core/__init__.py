"""The nouns that everything speaks of: Method, Schedule, Spectrum, Record. Nothing here needs more than numpy."""
