"""The graph as data: nodes, edges, names, modules, lines, bytes; and what it refuses."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinytorch
from tinytorch import Tensor, nn
from tinytorch.autograd import memory, record_lines
from tinytorch.core.autograd import topological_order
from tinytorch.viz import Edge, Graph


def leaf(data: Any) -> Tensor:
    return Tensor(data, requires_grad=True)


def test_the_graph_of_the_lesson() -> None:
    x, y = leaf(2.0), leaf(3.0)
    z = x * y + x
    z.backward(retain_graph=True)
    graph = z.graph()
    assert [(n.id, n.kind, n.label, n.name, n.value, n.grad, n.bytes) for n in graph.nodes] == [
        (0, "operation", "+", "z", "8", "1", 0),
        (1, "operation", "×", "", "6", None, 8),
        (2, "leaf", "x", "x", "2", "4", 0),
        (3, "leaf", "y", "y", "3", "2", 0),
    ]
    assert set(graph.edges) == {Edge(1, 0, 0), Edge(2, 0, 1), Edge(2, 1, 0), Edge(3, 1, 1)}
    assert (graph.nodes[0].of, graph.nodes[2].of) == (z._grad_fn, x)
    assert graph.total_bytes == 8


def test_a_leaf_is_a_graph_of_one_node() -> None:
    weight = leaf([[1.0, 2.0]])
    graph = weight.graph()
    assert [(n.kind, n.label, n.shape, n.dtype) for n in graph.nodes] == [("leaf", "weight", (1, 2), "float32")]
    assert graph.edges == []


def test_constants_are_shown_at_the_operation_that_uses_them() -> None:
    x = leaf([1.0, 2.0])
    images = Tensor(np.ones((20, 2)))
    nodes = ((x * 3 + images) ** 2).graph().nodes
    assert [(n.label, n.constants) for n in nodes[:3]] == [("power", ("2",)), ("+", ("(20×2)",)), ("×", ("3",))]


def test_arguments_that_were_left_out_are_no_constants() -> None:
    x = leaf(np.ones((2, 3)))
    assert nn.functional.layer_norm(x, (3,)).graph().nodes[0].constants == ()


def test_large_tensors_show_no_values() -> None:
    x = leaf(np.ones(9))
    (x * x).sum().backward()
    graph = (x * x).graph()
    assert [(n.value, n.grad) for n in graph.nodes] == [(None, None), (None, None)]


def test_names_are_those_of_the_program_and_of_the_model() -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    hidden = net[0](Tensor([[1.0, 2.0]]))
    out = net[2](net[1](hidden))
    graph = out.graph(net)
    assert sorted(n.name for n in graph.nodes if n.kind == "leaf") == ["0.bias", "0.weight", "2.bias", "2.weight"]
    assert {n.name for n in graph.nodes if n.kind == "operation"} == {"out", "hidden", ""}
    groups = {n.name: n.module for n in graph.nodes if n.kind == "leaf"}
    assert groups["0.weight"] == ("Sequential", "0")
    assert {n.module for n in graph.nodes if n.label == "+"} == {("Sequential", "0"), ("Sequential", "2")}
    assert not graph.recorded


class Net(nn.Module):
    def __init__(self) -> None:
        self.first = nn.Linear(2, 3)
        self.head = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.first(x).exp())


def test_recorded_nodes_know_their_lines_and_modules() -> None:
    net = Net()
    with record_lines():
        loss = nn.MSELoss()(net(Tensor([[1.0, 2.0]])), Tensor([[0.0]]))
        after = loss * 2
    graph = after.graph()
    assert graph.recorded
    by_label = {n.label: n for n in graph.nodes}
    assert by_label["×"].module == ()
    assert by_label["×"].line.endswith(": after = loss * 2")
    assert by_label["MSE"].module == ("MSELoss",)
    assert by_label["exp"].module == ("Net",)
    assert by_label["exp"].line.startswith(f"{__file__}:")
    assert {n.module for n in graph.nodes if n.label == "matmul"} == {
        ("Net", "first"),
        ("Net", "head", "0"),
        ("Net", "head", "1"),
    }
    assert {n.name for n in graph.nodes if n.kind == "leaf"} == {name for name, _ in net.named_parameters()}


def test_recording_leaves_nothing_behind() -> None:
    called = nn.Module.__call__
    with record_lines():
        assert nn.Module.__call__ is not called
        with pytest.raises(ZeroDivisionError):
            nn.Sequential(Broken())(Tensor([1.0]))
        outside = leaf(1.0) * 2
    assert nn.Module.__call__ is called
    assert outside.graph().nodes[0].module == ()


class Broken(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        raise ZeroDivisionError


def test_bytes_are_those_that_memory_counts() -> None:
    net = nn.Sequential(nn.Linear(20, 30), nn.ReLU(), nn.Linear(30, 2))
    loss = nn.CrossEntropyLoss()(net(tinytorch.randn(7, 20)), tinytorch.tensor([0, 1, 1, 0, 0, 1, 0]))
    assert loss.graph().total_bytes == memory(loss).total > 0


def test_what_has_no_graph() -> None:
    with pytest.raises(ValueError, match=r"this tensor of shape \(2,\) has no graph: .*explain_grad\(tensor\) says"):
        Tensor([1.0, 2.0]).graph()
    with pytest.raises(TypeError, match="a graph ends in a tensor, but got float"):
        Graph(3.0)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"graph\(\) takes a module as model, but got str"):
        leaf(1.0).graph(["net"])


def test_a_released_graph_is_still_drawn() -> None:
    x = leaf([1.0, 2.0])
    y = x * x
    loss = y.sum()
    loss.backward()
    assert [(n.label, n.bytes) for n in loss.graph().nodes] == [("sum", 0)]
    assert str(loss.graph())


def test_a_graph_of_a_hundred_thousand_operations(tmp_path: Path) -> None:
    x = leaf([1.0])
    out = x
    for _ in range(100_000):
        out = out + x
    graph = out.graph()
    assert len(graph.nodes) == 100_001
    assert "nodes more" in str(graph)
    assert "99,975 of 100,001 nodes are in closed groups" in graph._repr_svg_()
    page = tmp_path / "graph.html"
    graph.save(page)
    written = page.read_text(encoding="utf-8")
    assert "The 80,001 nodes that are farthest from the end are not on this page." in written
    data = json.loads(written.split('id="graph-data">')[1].split("</script>")[0])
    ids = {node["id"] for node in data["nodes"]}
    assert ids == set(range(20_000))
    assert {edge[end] for edge in data["edges"] for end in ("source", "target")} == ids


def test_a_graph_is_json() -> None:
    text = json.dumps((leaf([1.0, np.nan]) * 2).graph().as_json())
    facts = json.loads(text)
    assert facts["nodes"][0]["label"] == "×"
    assert facts["nodes"][0]["value"] == "[2 nan]"
    assert facts["edges"] == [{"source": 1, "target": 0, "input": 0}]


def test_a_graph_lets_go_with_its_object() -> None:
    x = leaf([1.0, 2.0])
    y = x * x
    held = weakref.ref(y._grad_fn)
    graph = y.graph()
    del y
    same = held() is graph.nodes[0].of
    assert same
    del graph
    gc.collect()
    assert held() is None


@st.composite
def expressions(draw: st.DrawFn) -> Tensor:
    tensors = [leaf(draw(st.floats(-2, 2))) for _ in range(draw(st.integers(1, 4)))]
    for _ in range(draw(st.integers(1, 12))):
        a, b = draw(st.sampled_from(tensors)), draw(st.sampled_from(tensors))
        tensors.append(draw(st.sampled_from([a + b, tinytorch.tanh(a * b), a - b, -a])))
    return tensors[-1]


@given(expressions())
@settings(max_examples=50)
def test_nodes_and_edges_are_those_of_the_engine(tensor: Tensor) -> None:
    graph = tensor.graph()
    operations = [n.of for n in graph.nodes if n.kind == "operation"]
    assert set(operations) == set(topological_order(tensor._grad_fn))
    ids = {id(n.of): n.id for n in graph.nodes}
    assert len(ids) == len(graph.nodes)
    wanted = {
        Edge(ids[id(edge)], ids[id(node)], i)
        for node in operations
        for i, edge in enumerate(node.next_functions)
        if edge is not None
    }
    assert set(graph.edges) == wanted
    assert all(edge.target < edge.source for edge in graph.edges)


def test_importing_tinytorch_does_not_import_the_pictures() -> None:
    code = "import sys, tinytorch; print([name for name in sys.modules if 'viz' in name])"
    root = Path(tinytorch.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
