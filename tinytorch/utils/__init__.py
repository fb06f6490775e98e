"""Tools beside the network: checkpoints of activations, data and their loader, and what later modules add."""

from __future__ import annotations

from tinytorch.utils import data as data
