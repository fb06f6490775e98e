"""Tools beside the network: checkpoints of activations, and what later modules add."""
