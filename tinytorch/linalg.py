"""Linear algebra in PyTorch's spelling: ``tinytorch.linalg.solve`` is what ``torch.linalg.solve`` is there."""

from __future__ import annotations

from tinytorch._growing import built as _built
from tinytorch._growing import missing_from as _missing_from

if _built("autograd"):
    from tinytorch.ops.factorizations import cholesky as cholesky
    from tinytorch.ops.factorizations import eig as eig
    from tinytorch.ops.factorizations import eigh as eigh
    from tinytorch.ops.factorizations import eigvals as eigvals
    from tinytorch.ops.factorizations import eigvalsh as eigvalsh
    from tinytorch.ops.factorizations import qr as qr
    from tinytorch.ops.factorizations import svd as svd
    from tinytorch.ops.factorizations import svdvals as svdvals
    from tinytorch.ops.linear_algebra import LinAlgError as LinAlgError
    from tinytorch.ops.linear_algebra import det as det
    from tinytorch.ops.linear_algebra import inv as inv
    from tinytorch.ops.linear_algebra import lstsq as lstsq
    from tinytorch.ops.linear_algebra import matrix_exp as matrix_exp
    from tinytorch.ops.linear_algebra import matrix_power as matrix_power
    from tinytorch.ops.linear_algebra import matrix_rank as matrix_rank
    from tinytorch.ops.linear_algebra import pinv as pinv
    from tinytorch.ops.linear_algebra import slogdet as slogdet
    from tinytorch.ops.linear_algebra import solve as solve
    from tinytorch.ops.linear_algebra import solve_triangular as solve_triangular
    from tinytorch.ops.norms import cond as cond
    from tinytorch.ops.norms import linalg_norm as norm  # noqa: F401
    from tinytorch.ops.norms import matrix_norm as matrix_norm
    from tinytorch.ops.norms import vector_norm as vector_norm
    from tinytorch.ops.products import linalg_cross as cross  # noqa: F401
    from tinytorch.ops.products import matmul as matmul
    from tinytorch.ops.products import multi_dot as multi_dot
    from tinytorch.ops.products import vecdot as vecdot

__getattr__ = _missing_from(__name__)
