"""Linear algebra in PyTorch's spelling: ``tinytorch.linalg.solve`` is what ``torch.linalg.solve`` is there."""

from __future__ import annotations

from tinytorch._growing import built as _built
from tinytorch._growing import missing_from as _missing_from

if _built("autograd"):
    from tinytorch.ops.linear_algebra import LinAlgError as LinAlgError
    from tinytorch.ops.linear_algebra import cholesky as cholesky
    from tinytorch.ops.linear_algebra import cond as cond
    from tinytorch.ops.linear_algebra import det as det
    from tinytorch.ops.linear_algebra import eigh as eigh
    from tinytorch.ops.linear_algebra import eigvalsh as eigvalsh
    from tinytorch.ops.linear_algebra import inv as inv
    from tinytorch.ops.linear_algebra import linalg_cross as cross  # noqa: F401
    from tinytorch.ops.linear_algebra import linalg_norm as norm  # noqa: F401
    from tinytorch.ops.linear_algebra import matmul as matmul
    from tinytorch.ops.linear_algebra import matrix_norm as matrix_norm
    from tinytorch.ops.linear_algebra import matrix_power as matrix_power
    from tinytorch.ops.linear_algebra import matrix_rank as matrix_rank
    from tinytorch.ops.linear_algebra import multi_dot as multi_dot
    from tinytorch.ops.linear_algebra import pinv as pinv
    from tinytorch.ops.linear_algebra import qr as qr
    from tinytorch.ops.linear_algebra import slogdet as slogdet
    from tinytorch.ops.linear_algebra import solve as solve
    from tinytorch.ops.linear_algebra import solve_triangular as solve_triangular
    from tinytorch.ops.linear_algebra import svd as svd
    from tinytorch.ops.linear_algebra import svdvals as svdvals
    from tinytorch.ops.linear_algebra import vecdot as vecdot
    from tinytorch.ops.reductions import vector_norm as vector_norm

__getattr__ = _missing_from(__name__)
