"""TinyTorch beside its peers: the same mathematics, in one run, on one machine. See README.md in this folder."""
