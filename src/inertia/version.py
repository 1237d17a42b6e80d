"""The version, written once: the package, the wheel and the command line read it here."""

__version__ = "0.2.0"
