"""What scripts ask about kinds of accelerators."""

from tinytorch.backends import mps as mps
