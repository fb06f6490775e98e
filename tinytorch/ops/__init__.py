"""Operations beyond the lessons: forward and rule side by side, one family a file, in PyTorch's spelling.

Each joins the lessons' own in the table of module 05, so that one loop wakes them all.
"""

from __future__ import annotations

from tinytorch._devices import add_devices
from tinytorch.ops import (
    activations,
    arithmetic,
    attention,
    choices,
    comparisons,
    contractions,
    conversions,
    creation,
    cumulative,
    elementwise,
    indexing,
    joining,
    layers,
    linear_algebra,
    losses,
    moving,
    normalization,
    norms,
    products,
    reductions,
    searching,
    shape,
    sorting,
    statistics,
    windows,
)
from tinytorch.ops._arrays import teach_rules
from tinytorch.ops._blocks import ROWS
from tinytorch.ops._numpy import speak_numpy
from tinytorch.ops._replace import replace
from tinytorch.ops.activations import *  # noqa: F403
from tinytorch.ops.arithmetic import *  # noqa: F403
from tinytorch.ops.attention import *  # noqa: F403
from tinytorch.ops.choices import *  # noqa: F403
from tinytorch.ops.comparisons import *  # noqa: F403
from tinytorch.ops.contractions import *  # noqa: F403
from tinytorch.ops.conversions import *  # noqa: F403
from tinytorch.ops.conversions import add_conversions
from tinytorch.ops.copying import add_copying
from tinytorch.ops.creation import *  # noqa: F403
from tinytorch.ops.cumulative import *  # noqa: F403
from tinytorch.ops.elementwise import *  # noqa: F403
from tinytorch.ops.indexing import *  # noqa: F403
from tinytorch.ops.inplace import add_in_place_methods
from tinytorch.ops.joining import *  # noqa: F403
from tinytorch.ops.layers import *  # noqa: F403
from tinytorch.ops.linear_algebra import *  # noqa: F403
from tinytorch.ops.losses import *  # noqa: F403
from tinytorch.ops.moving import *  # noqa: F403
from tinytorch.ops.normalization import *  # noqa: F403
from tinytorch.ops.norms import *  # noqa: F403
from tinytorch.ops.products import *  # noqa: F403
from tinytorch.ops.reductions import *  # noqa: F403
from tinytorch.ops.searching import *  # noqa: F403
from tinytorch.ops.shape import *  # noqa: F403
from tinytorch.ops.sorting import *  # noqa: F403
from tinytorch.ops.statistics import *  # noqa: F403
from tinytorch.ops.windows import *  # noqa: F403

__all__: list[str] = []
__all__ += activations.__all__
__all__ += arithmetic.__all__
__all__ += attention.__all__
__all__ += choices.__all__
__all__ += comparisons.__all__
__all__ += contractions.__all__
__all__ += conversions.__all__
__all__ += creation.__all__
__all__ += cumulative.__all__
__all__ += elementwise.__all__
__all__ += indexing.__all__
__all__ += joining.__all__
__all__ += layers.__all__
__all__ += linear_algebra.__all__
__all__ += losses.__all__
__all__ += moving.__all__
__all__ += normalization.__all__
__all__ += norms.__all__
__all__ += products.__all__
__all__ += reductions.__all__
__all__ += searching.__all__
__all__ += shape.__all__
__all__ += sorting.__all__
__all__ += statistics.__all__
__all__ += windows.__all__

speak_numpy()
teach_rules()
replace(ROWS)
add_in_place_methods()
add_copying()
add_conversions()
add_devices()
