"""Labels you can trust from annotators you can't: active learning with several annotators."""

__version__ = "0.1.0"
