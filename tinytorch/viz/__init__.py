"""Pictures of what the engine did: the graph of a tensor, and the way back through it, step by step."""

from __future__ import annotations

from tinytorch.viz._graph import Edge as Edge
from tinytorch.viz._graph import Graph as Graph
from tinytorch.viz._graph import Node as Node
from tinytorch.viz._steps import Stepper as Stepper
