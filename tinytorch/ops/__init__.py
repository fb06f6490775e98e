"""Operations beyond the lessons: forward and rule side by side, one family a file, in PyTorch's spelling.

Each joins the lessons' own in the table of module 05, so that one loop wakes them all.
"""

from __future__ import annotations

from tinytorch.ops import activations, creation, elementwise, fused, indexing, linear_algebra, reductions, shape
from tinytorch.ops._arrays import teach_rules
from tinytorch.ops._numpy import speak_numpy
from tinytorch.ops.activations import *  # noqa: F403
from tinytorch.ops.copying import add_copying
from tinytorch.ops.creation import *  # noqa: F403
from tinytorch.ops.elementwise import *  # noqa: F403
from tinytorch.ops.fused import *  # noqa: F403
from tinytorch.ops.indexing import *  # noqa: F403
from tinytorch.ops.inplace import add_in_place_methods
from tinytorch.ops.linear_algebra import *  # noqa: F403
from tinytorch.ops.reductions import *  # noqa: F403
from tinytorch.ops.shape import *  # noqa: F403

__all__: list[str] = []
__all__ += activations.__all__
__all__ += creation.__all__
__all__ += elementwise.__all__
__all__ += fused.__all__
__all__ += indexing.__all__
__all__ += linear_algebra.__all__
__all__ += reductions.__all__
__all__ += shape.__all__

speak_numpy()
teach_rules()
add_in_place_methods()
add_copying()
