"""TinyTorch with its compiled kernels, as its users have it who installed the extra ``[fast]``."""

from __future__ import annotations

from importlib.metadata import version

from benchmarks.engines.tinytorch import TinyTorch
from tinytorch import fast


class TinyTorchFast(TinyTorch):
    """TinyTorch whose large arrays Numba's kernels work on; they limit their threads by the environment."""

    def start(self, threads: int) -> None:
        """Switch the compiled kernels on."""
        fast.enable()

    def versions(self) -> dict[str, str]:
        """Return the versions of TinyTorch, NumPy and Numba."""
        return {**super().versions(), "numba": version("numba")}


ENGINE = TinyTorchFast()
