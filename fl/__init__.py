"""The language that all parts of fedledger share."""

__version__ = "0.1.0"
