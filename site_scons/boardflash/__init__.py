"""Declarative flashing of firmware that lives in internal flash and an external QSPI chip."""

__version__ = "0.1.0"
