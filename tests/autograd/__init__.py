"""Differentiation beyond the lesson: the package `tinytorch.autograd` and what stands on it."""
