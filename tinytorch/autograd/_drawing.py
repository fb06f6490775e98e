"""``Tensor.graph()``: the way to the pictures, which are imported when one is wanted."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from tinytorch.core.layers import Module
from tinytorch.core.tensor import Tensor

if TYPE_CHECKING:
    from tinytorch.viz import Graph


def graph(self: Tensor, model: Module | Iterable[Module] | None = None) -> Graph:
    """Return the graph of this tensor, which shows itself: in a notebook, in a terminal, as a page.

    Parameters
    ----------
    model
        A module, or several, whose parameters are shown by their paths and whose operations are grouped.

    Raises
    ------
    ValueError
        If the tensor requires no gradient, so that there is no graph.

    Examples
    --------
    >>> x, y = Tensor(2.0, requires_grad=True), Tensor(3.0, requires_grad=True)
    >>> z = x * y + x
    >>> [node.label for node in z.graph().nodes]
    ['+', '×', 'x', 'y']
    """
    from tinytorch.viz._graph import Graph, callers_names

    return Graph(self, model, callers_names(sys._getframe(1)))


Tensor.graph = graph  # type: ignore[attr-defined]
