"""The tool of the TinyTorch course: lessons, exports, workspaces, tests."""

__version__ = "0.1.0"
