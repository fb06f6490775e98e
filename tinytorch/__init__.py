"""A deep-learning framework that its users build themselves."""

__version__ = "0.1.0"
