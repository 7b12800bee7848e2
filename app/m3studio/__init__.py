"""M3 Studio: a local web chat app for open-weight models."""

__version__ = "0.1.0"
