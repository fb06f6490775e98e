"""The comprehensive suite of module 03: modules, their parameters and state, and the four layers."""

import copy
import doctest
import math
import pickle
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinytorch.core.layers as layers
from tinytorch.core.activations import ReLU
from tinytorch.core.layers import Buffer, Dropout, Flatten, Linear, Module, Parameter, Sequential, uniform_parameter
from tinytorch.core.tensor import Tensor, from_numpy, manual_seed

some_examples = settings(max_examples=30, deadline=None)

SIZES = st.integers(1, 6)
TREE = ("attributes", "modules", "parameters")


@pytest.fixture(autouse=True)
def _same_numbers_in_every_run():
    manual_seed(2024)


class Scale(Module):
    def __init__(self, factor):
        self.factor = Parameter([factor])

    def forward(self, x):
        return x * self.factor


class Pair(Module):
    """A name, a child, a parameter, a child, and a tensor that nobody trains; in this order."""

    def __init__(self):
        super().__init__()
        self.name = "pair"
        self.first = Scale(2.0)
        self.shift = Parameter([10.0])
        self.second = Scale(3.0)
        self.limit = Tensor([99.0])

    def forward(self, x):
        return self.second(self.first(x)) + self.shift


class Net(Module):
    def __init__(self):
        self.body = Pair()
        self.head = Scale(0.5)

    def forward(self, x):
        return self.head(self.body(x))


NET_NAMES = ["body.shift", "body.first.factor", "body.second.factor", "head.factor"]


# A plan is what a module holds: "parameter", "text", or the plan of a child, by attribute name.
PLANS = st.recursive(
    st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(["parameter", "text"]), max_size=4),
    lambda plans: st.dictionaries(
        st.sampled_from("abcdef"), st.one_of(plans, st.sampled_from(["parameter", "text"])), max_size=4
    ),
    max_leaves=8,
)


def built(plan):
    """Return the module that `plan` describes; its parameters count 0, 1, 2, ... in no particular order."""
    module = Module()
    for name, kind in plan.items():
        value = built(kind) if isinstance(kind, dict) else Parameter([len(name) + 1.0]) if kind == "parameter" else kind
        setattr(module, name, value)
    return module


def planned_parameters(plan, path=()):
    own = [".".join((*path, name)) for name, kind in plan.items() if kind == "parameter"]
    below = [planned_parameters(kind, (*path, name)) for name, kind in plan.items() if isinstance(kind, dict)]
    return own + [name for names in below for name in names]


def planned_modules(plan, path=()):
    below = [planned_modules(kind, (*path, name)) for name, kind in plan.items() if isinstance(kind, dict)]
    return [".".join(path), *(name for names in below for name in names)]


def values_of(module):
    """Return copies of all values, by name, without asking `state_dict`."""
    return {name: parameter.data.copy() for name, parameter in module.named_parameters()}


def assert_values(module, expected):
    found = values_of(module)
    assert list(found) == list(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


# Parameter


def test_a_parameter_is_a_tensor_that_requires_a_gradient():
    weight = Parameter([[1, 2], [3, 4]])
    assert isinstance(weight, Tensor)
    assert weight.requires_grad
    assert weight.grad is None
    assert weight.is_leaf
    assert weight.dtype == np.float32
    assert not Parameter([1.0], requires_grad=False).requires_grad


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_parameter_keeps_the_dtype_of_tensors_and_arrays(dtype):
    array = np.ones((2, 3), dtype)
    assert Parameter(array).dtype == dtype
    assert Parameter(from_numpy(array)).dtype == dtype
    assert Parameter(dtype(1)).dtype == dtype


def test_a_parameter_copies_its_data():
    array = np.zeros(3)
    weight = Parameter(array)
    array[0] = 1.0
    assert weight.data.tolist() == [0.0, 0.0, 0.0]


def test_results_of_parameters_are_plain_tensors():
    weight = Parameter([1.0, 2.0])
    for result in (weight + 1, 2 * weight, -weight, weight[0], weight.sum(), weight.T, weight.detach()):
        assert type(result) is Tensor


@pytest.mark.parametrize("data", [np.array([1, 2]), Tensor([1, 2]).long(), np.array([True])])
def test_a_parameter_of_integers_is_an_error_unless_it_is_frozen(data):
    with pytest.raises(TypeError, match=r"it holds floats, but got (int64|bool)"):
        Parameter(data)
    frozen = Parameter(data, requires_grad=False)
    assert frozen.dtype == data.dtype


def test_a_parameter_says_what_it_is():
    assert repr(Parameter([0.5])) == "Parameter containing:\ntensor([0.5], requires_grad=True)"


# Module


def test_calling_a_module_passes_all_arguments_to_forward():
    class Affine(Module):
        def forward(self, x, scale, shift=0.0):
            return x * scale + shift

    assert Affine()(Tensor([1.0]), 2.0, shift=3.0).data.tolist() == [5.0]


def test_a_module_without_forward_says_its_name():
    class Empty(Module):
        pass

    with pytest.raises(NotImplementedError, match=r"Empty has no forward\(\)"):
        Empty()(Tensor([1.0]))


def test_a_new_module_is_in_training_mode():
    assert Module().training
    assert Net().training


def test_super_init_does_no_harm_and_is_not_needed():
    class With(Module):
        def __init__(self):
            super().__init__()
            self.weight = Parameter([1.0])

    class Without(Module):
        def __init__(self):
            self.weight = Parameter([1.0])

    assert vars(With()).keys() == vars(Without()).keys()


# Children


@pytest.mark.exercise("attributes")
def test_attributes_are_picked_by_type():
    pair = Pair()
    assert [name for name, _ in pair._holding(Parameter)] == ["shift"]
    assert list(pair._holding(Module)) == [("first", pair.first), ("second", pair.second)]
    assert [name for name, _ in pair._holding(str)] == ["name"]
    assert list(Module()._holding(Module)) == []


@pytest.mark.exercise("attributes")
def test_attributes_come_in_the_order_of_assignment():
    module = Module()
    for name in "zebra":
        setattr(module, name, Scale(1.0))
    assert [name for name, _ in module.named_children()] == list("zebra")


@pytest.mark.exercise("attributes")
def test_an_attribute_added_or_removed_later_counts():
    pair = Pair()
    pair.third = Scale(4.0)
    del pair.first
    assert [name for name, _ in pair.named_children()] == ["second", "third"]
    pair.second = None
    assert list(pair.children()) == [pair.third]


@pytest.mark.exercise("attributes")
def test_a_child_with_two_names_comes_once():
    pair = Pair()
    pair.again = pair.first
    assert [name for name, _ in pair.named_children()] == ["first", "second"]
    assert list(pair.children()) == [pair.first, pair.second]


@pytest.mark.exercise("attributes")
def test_children_are_those_of_this_module_only():
    net = Net()
    assert list(net.children()) == [net.body, net.head]


# Modules


@pytest.mark.exercise("attributes", "modules")
def test_modules_come_parents_first_and_siblings_in_order():
    net = Net()
    paths = ["", "body", "body.first", "body.second", "head"]
    assert [path for path, _ in net.named_modules()] == paths
    assert list(net.modules()) == [net, net.body, net.body.first, net.body.second, net.head]


@pytest.mark.exercise("attributes", "modules")
def test_the_prefix_stands_before_every_path():
    assert [path for path, _ in Pair().named_modules("model")] == ["model", "model.first", "model.second"]


@pytest.mark.exercise("attributes", "modules")
def test_a_module_shared_at_different_depths_comes_once():
    net = Net()
    net.head = net.body.second
    assert [path for path, _ in net.named_modules()] == ["", "body", "body.first", "body.second"]


@pytest.mark.exercise("attributes", "modules")
def test_a_child_that_points_back_does_not_go_round_for_ever():
    net = Net()
    net.body.owner = net
    net.body.first.sibling = net.body.second
    assert [path for path, _ in net.named_modules()] == ["", "body", "body.first", "body.first.sibling", "head"]


@pytest.mark.exercise("attributes", "modules")
@some_examples
@given(plan=PLANS)
def test_modules_of_any_tree(plan):
    assert [path for path, _ in built(plan).named_modules()] == planned_modules(plan)


# Parameters


@pytest.mark.exercise(*TREE)
def test_own_parameters_come_before_those_of_children():
    net = Net()
    assert [name for name, _ in net.named_parameters()] == NET_NAMES
    assert [parameter.data.tolist() for parameter in net.parameters()] == [[10.0], [2.0], [3.0], [0.5]]
    assert next(net.parameters()) is net.body.shift


@pytest.mark.exercise(*TREE)
def test_parameters_take_a_prefix():
    assert [name for name, _ in Scale(1.0).named_parameters(prefix="encoder.0")] == ["encoder.0.factor"]


@pytest.mark.exercise(*TREE)
def test_a_shared_parameter_comes_once_under_its_first_name():
    net = Net()
    net.head.factor = net.body.first.factor
    assert [name for name, _ in net.named_parameters()] == NET_NAMES[:3]
    twice = Module()
    twice.a = twice.b = Parameter([1.0])
    assert [name for name, _ in twice.named_parameters()] == ["a"]


@pytest.mark.exercise(*TREE)
def test_equal_parameters_are_different_parameters():
    module = Module()
    module.a, module.b = Parameter([1.0]), Parameter([1.0])
    assert len(list(module.parameters())) == 2


@pytest.mark.exercise(*TREE)
def test_tensors_lists_and_settings_are_not_parameters():
    module = Module()
    module.mask = Tensor([1.0], requires_grad=True)
    module.layers = [Scale(1.0)]
    module.rate = 0.1
    assert list(module.parameters()) == []


@pytest.mark.exercise(*TREE)
def test_frozen_parameters_are_parameters():
    module = Module()
    module.frozen = Parameter([1.0], requires_grad=False)
    assert list(module.parameters()) == [module.frozen]


@pytest.mark.exercise(*TREE)
@some_examples
@given(plan=PLANS)
def test_parameters_of_any_tree(plan):
    assert [name for name, _ in built(plan).named_parameters()] == planned_parameters(plan)


# Training and use


@pytest.mark.exercise("attributes", "modules", "train")
def test_eval_and_train_reach_every_module():
    net = Net()
    net.eval()
    assert [module.training for module in net.modules()] == [False] * 5
    net.train()
    assert [module.training for module in net.modules()] == [True] * 5
    net.train(False)
    assert [module.training for module in net.modules()] == [False] * 5


@pytest.mark.exercise("attributes", "modules", "train")
def test_a_part_can_be_switched_alone():
    net, other = Net(), Net()
    net.body.eval()
    flags = {path: module.training for path, module in net.named_modules()}
    assert flags == {"": True, "body": False, "body.first": False, "body.second": False, "head": True}
    assert other.body.training
    assert Module.training


@pytest.mark.exercise("attributes", "modules", "train")
def test_train_and_eval_return_the_module():
    net = Net()
    assert net.eval() is net
    assert net.train() is net


@pytest.mark.parametrize("mode", [1, None, [1, 2], "eval"])
def test_a_mode_that_is_no_bool_is_an_error(mode):
    with pytest.raises(ValueError, match=rf"sets a mode, True or False, but got {type(mode).__name__}"):
        Net().train(mode)


# Saving


@pytest.mark.exercise("attributes", "state_dict")
@some_examples
@given(plan=PLANS)
def test_a_state_dict_has_the_names_of_the_parameters(plan):
    assert list(built(plan).state_dict()) == planned_parameters(plan)


@pytest.mark.exercise("attributes", "state_dict")
def test_a_state_dict_is_of_detached_tensors_that_share_memory():
    net = Net()
    shift = net.state_dict()["body.shift"]
    assert type(shift) is Tensor
    assert not shift.requires_grad
    assert np.shares_memory(shift.data, net.body.shift.data)
    net.body.shift.data[...] = -1.0
    assert shift.data.tolist() == [-1.0]


@pytest.mark.exercise("attributes", "state_dict")
def test_a_shared_parameter_stands_under_each_of_its_names():
    net = Net()
    net.tail = net.head
    net.head.factor = net.body.first.factor
    assert list(net.state_dict()) == [*NET_NAMES, "tail.factor"]


@pytest.mark.exercise(*TREE, "state_dict", "load_state_dict")
def test_buffers_are_kept_and_loaded_and_not_trained():
    net, saved = Net(), Net()
    for module, count in ((net, 0), (saved, 5)):
        module.body.register_buffer("count", np.array(count))
        module.register_buffer("table", np.arange(3), persistent=False)
        module.register_buffer("nothing", None)
    assert [name for name, _ in net.named_parameters()] == NET_NAMES
    assert [name for name, _ in net.named_buffers()] == ["table", "body.count"]
    assert len(list(net.buffers())) == 2
    assert list(net.state_dict()) == ["body.shift", "body.count", *NET_NAMES[1:]]
    net.load_state_dict(saved.state_dict())
    assert isinstance(net.body.count, Buffer)
    assert net.body.count.item() == 5
    assert net.nothing is None


def test_a_buffer_keeps_its_dtype_and_requires_no_gradient():
    assert Buffer(np.array(0)).dtype == np.int64
    assert Buffer([1.0]).dtype == np.float32
    assert not Buffer(Tensor([1.0])).requires_grad
    assert not Buffer([1.0], persistent=False).persistent


def test_a_buffer_needs_a_free_name_of_an_attribute():
    layer = Linear(2, 2)
    with pytest.raises(KeyError, match="Linear has an attribute 'weight' already"):
        layer.register_buffer("weight", [1.0])
    with pytest.raises(ValueError, match=r"identifier, but got 'running\.mean'"):
        layer.register_buffer("running.mean", [1.0])


# Loading


@pytest.mark.exercise(*TREE, "state_dict", "load_state_dict")
@some_examples
@given(plan=PLANS, seed=st.integers(0, 2**32 - 1))
def test_what_is_loaded_is_what_was_saved(plan, seed):
    rng, saved, module = np.random.default_rng(seed), built(plan), built(plan)
    for parameter in saved.parameters():
        parameter.data[...] = rng.standard_normal(1)
    assert module.load_state_dict(saved.state_dict()) == ([], [])
    assert_values(module, values_of(saved))


@pytest.mark.exercise(*TREE, "state_dict", "load_state_dict")
def test_loading_writes_into_the_arrays_that_are_there():
    net, saved = Net(), Net()
    held = dict(net.named_parameters())
    arrays = {name: parameter.data for name, parameter in held.items()}
    saved.body.shift.data[...] = 7.0
    net.load_state_dict(saved.state_dict())
    for name, parameter in net.named_parameters():
        assert parameter is held[name]
        assert parameter.data is arrays[name]
        assert parameter.requires_grad
    assert net.body.shift.data.tolist() == [7.0]


@pytest.mark.exercise("attributes", "state_dict", "load_state_dict")
def test_loaded_values_are_copies():
    net, saved = Net(), Net()
    state = saved.state_dict()
    net.load_state_dict(state)
    saved.body.shift.data[...] = -5.0
    assert net.body.shift.data.tolist() == [10.0]
    assert list(state) == NET_NAMES


@pytest.mark.exercise("attributes", "state_dict", "load_state_dict")
def test_arrays_and_lists_load_and_the_parameter_keeps_its_dtype():
    module = Module()
    module.a, module.b, module.c = Parameter([0.0]), Parameter(np.zeros(2)), Parameter(0.0)
    module.load_state_dict({"a": np.array([0.5]), "b": np.array([1, 2], np.float32), "c": 3})
    assert [parameter.data.tolist() for parameter in (module.a, module.b, module.c)] == [[0.5], [1.0, 2.0], 3.0]
    assert [parameter.dtype for parameter in (module.a, module.b)] == [np.float32, np.float64]


@pytest.mark.exercise("attributes", "state_dict", "load_state_dict")
def test_a_tensor_that_requires_a_gradient_loads():
    scale = Scale(1.0)
    scale.load_state_dict({"factor": Tensor([4.0], requires_grad=True)})
    assert scale.factor.data.tolist() == [4.0]


@pytest.mark.exercise(*TREE, "state_dict", "load_state_dict")
@pytest.mark.parametrize("wrong", NET_NAMES)
@pytest.mark.parametrize(
    ("value", "error"),
    [(np.zeros((2, 2)), ValueError), (np.array(["x"]), TypeError), (np.zeros(1, complex), TypeError)],
)
def test_a_wrong_value_anywhere_leaves_everything_as_it_was(wrong, value, error):
    net = Net()
    before = values_of(net)
    state = {name: np.array([-1.0]) for name in NET_NAMES} | {wrong: value}
    for strict in (True, False):
        with pytest.raises(error, match=re.escape(repr(wrong))):
            net.load_state_dict(state, strict=strict)
        assert_values(net, before)


@pytest.mark.exercise(*TREE, "state_dict")
def test_an_unknown_name_is_an_error_with_a_guess():
    net = Net()
    before = values_of(net)
    state = {name.replace("shift", "shfit"): np.array([-1.0]) for name in NET_NAMES}
    with pytest.raises(KeyError, match=r"no parameter is named 'body\.shfit'\. Did you mean 'body\.shift'\?"):
        net.load_state_dict(state)
    assert_values(net, before)


@pytest.mark.exercise("attributes", "state_dict")
def test_every_unknown_name_is_named_and_a_guess_made_only_where_one_is_near():
    state = {"factr": [1.0], "zzz": [1.0]}
    with pytest.raises(KeyError) as caught:
        Scale(1.0).load_state_dict(state)
    assert caught.value.args == (
        "load_state_dict: no parameter is named 'factr'. Did you mean 'factor'? no parameter is named 'zzz'.",
    )


@pytest.mark.exercise(*TREE, "state_dict")
def test_a_missing_name_is_an_error():
    net = Net()
    before = values_of(net)
    with pytest.raises(KeyError, match=r"no value for 'body\.first\.factor', 'head\.factor'\. Add it, or pass strict"):
        net.load_state_dict({"body.shift": [-1.0], "body.second.factor": [-1.0]})
    assert_values(net, before)


@pytest.mark.exercise(*TREE, "state_dict", "load_state_dict")
def test_not_strict_loads_what_agrees_and_returns_the_rest():
    net = Net()
    keys = net.load_state_dict({"head.factor": [-1.0], "tail.factor": [-2.0]}, strict=False)
    assert keys.missing_keys == NET_NAMES[:3]
    assert keys.unexpected_keys == ["tail.factor"]
    assert [parameter.data.tolist() for parameter in net.parameters()] == [[10.0], [2.0], [3.0], [-1.0]]


@pytest.mark.exercise("attributes", "state_dict", "load_state_dict")
def test_a_wrong_shape_is_an_error_that_shows_both():
    layer = Module()
    layer.weight = Parameter(np.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"'weight' has shape \(2, 3\) in this module, but \(3, 2\) .* Transpose it"):
        layer.load_state_dict({"weight": np.zeros((3, 2))})
    with pytest.raises(ValueError, match=r"but \(2, 4\) in the state\. Build the module with the sizes"):
        layer.load_state_dict({"weight": np.zeros((2, 4))})


@pytest.mark.exercise("attributes", "state_dict", "load_state_dict")
def test_a_value_that_broadcasts_is_still_of_the_wrong_shape():
    module = Module()
    module.a = Parameter([1.0, 2.0])
    for value in (5.0, [5.0], [[5.0, 5.0]]):
        with pytest.raises(ValueError, match=r"'a' has shape \(2,\)"):
            module.load_state_dict({"a": value})
    assert module.a.data.tolist() == [1.0, 2.0]


# Gradients


@pytest.mark.exercise(*TREE, "zero_grad")
def test_zero_grad_forgets_every_gradient():
    net = Net()
    for parameter in net.parameters():
        parameter.grad = Tensor([4.0])
    net.zero_grad()
    assert [parameter.grad for parameter in net.parameters()] == [None] * 4


@pytest.mark.exercise(*TREE, "zero_grad")
def test_zero_grad_can_set_to_zeros_those_that_are_there():
    pair = Pair()
    pair.shift.grad = from_numpy(np.array([4.0]))
    pair.zero_grad(set_to_none=False)
    assert pair.shift.grad.data.tolist() == [0.0]
    assert pair.shift.grad.dtype == np.float64
    assert pair.first.factor.grad is None
    assert pair.shift.data.tolist() == [10.0]


@pytest.mark.exercise(*TREE)
def test_requires_grad_freezes_and_thaws_a_part():
    net = Net()
    assert net.body.requires_grad_(False) is net.body
    assert [parameter.requires_grad for parameter in net.parameters()] == [False, False, False, True]
    net.requires_grad_()
    assert all(parameter.requires_grad for parameter in net.parameters())


# Copies


@pytest.mark.exercise(*TREE)
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_a_copy_has_parameters_of_its_own(copied):
    net = Net()
    net.head.factor = net.body.first.factor
    other = copied(net)
    assert_values(other, values_of(net))
    assert type(other.body.shift) is Parameter
    assert other.head.factor is other.body.first.factor
    other.body.shift.data[...] = 0.0
    assert net.body.shift.data.tolist() == [10.0]


# Showing


@pytest.mark.exercise("attributes")
def test_repr_nests_two_spaces_a_level():
    assert repr(Scale(1.0)) == "Scale()"
    assert repr(Net()) == (
        "Net(\n  (body): Pair(\n    (first): Scale()\n    (second): Scale()\n  )\n  (head): Scale()\n)"
    )


@pytest.mark.exercise("attributes")
def test_repr_shows_settings_before_children():
    class Block(Pair):
        def extra_repr(self):
            return "width=3"

    assert repr(Block()) == "Block(\n  width=3\n  (first): Scale()\n  (second): Scale()\n)"


# First weights


def assert_uniform(values, bound):
    """Check bounds, mean, variance and distribution, within limits that one seed in 10,000 would break."""
    n, deviation = values.size, bound / math.sqrt(3)
    assert values.dtype == np.float32
    assert np.abs(values).max() <= np.float32(bound)
    assert np.abs(values).max() > bound * (1 - 10 / n)
    assert abs(values.mean(dtype=np.float64)) < 4 * deviation / math.sqrt(n)
    # The square of a uniform variable has the standard deviation bound**2 * sqrt(4/45).
    spread = bound**2 * math.sqrt(4 / 45 / n)
    assert abs((values.astype(np.float64) ** 2).mean() - bound**2 / 3) < 4 * spread
    # Kolmogorov and Smirnov: the largest distance to the straight line from 0 to 1.
    steps = np.arange(1, n + 1) / n
    line = (np.sort(values.ravel()).astype(np.float64) + bound) / (2 * bound)
    assert np.abs(steps - line).max() < 2.2 / math.sqrt(n)


@pytest.mark.exercise("uniform_parameter")
@pytest.mark.parametrize("bound", [0.01, 1.0, 30.0])
def test_uniform_parameters_fill_their_interval_evenly(bound):
    parameter = uniform_parameter((200, 300), bound)
    assert type(parameter) is Parameter
    assert parameter.requires_grad
    assert parameter.is_leaf
    assert parameter.shape == (200, 300)
    assert_uniform(parameter.data, bound)


@pytest.mark.exercise("uniform_parameter")
def test_uniform_parameters_come_from_the_seed():
    manual_seed(1)
    first, second = uniform_parameter((50,), 1.0).data, uniform_parameter((50,), 1.0).data
    assert (first != second).any()
    manual_seed(1)
    np.testing.assert_array_equal(uniform_parameter((50,), 1.0).data, first)


@pytest.mark.exercise("uniform_parameter")
def test_a_bound_of_zero_makes_zeros():
    assert not uniform_parameter((3, 2), 0.0).data.any()


# Linear


@pytest.mark.exercise("uniform_parameter", "linear")
@pytest.mark.parametrize(("n", "m"), [(400, 300), (16, 5000), (1, 2000)])
def test_linear_starts_as_in_pytorch(n, m):
    """U(-1/sqrt(in), 1/sqrt(in)) for both."""
    layer = Linear(n, m)
    assert_uniform(layer.weight.data, 1 / math.sqrt(n))
    assert_uniform(layer.bias.data, 1 / math.sqrt(n))
    assert abs(np.corrcoef(layer.weight.data[:, 0], layer.bias.data)[0, 1]) < 4 / math.sqrt(m)


@pytest.mark.exercise("attributes", "state_dict", "uniform_parameter", "linear")
def test_linear_has_the_names_and_layouts_of_pytorch():
    shapes = {name: value.shape for name, value in Linear(5, 3).state_dict().items()}
    assert shapes == {"weight": (3, 5), "bias": (3,)}
    assert list(shapes) == ["weight", "bias"]
    bare = Linear(5, 3, bias=False)
    assert list(bare.state_dict()) == ["weight"]
    assert bare.bias is None


@pytest.mark.exercise("attributes", "state_dict", "load_state_dict", "uniform_parameter", "linear")
def test_linear_by_hand():
    layer = Linear(3, 2)
    layer.load_state_dict({"weight": [[1, 2, 3], [0, -1, 1]], "bias": [10, 20]})
    assert layer(Tensor([1, 1, 2])).data.tolist() == [19.0, 21.0]
    assert layer(Tensor([[0, 0, 0], [1, 1, 2]])).data.tolist() == [[10.0, 20.0], [19.0, 21.0]]


@pytest.mark.exercise("uniform_parameter", "linear")
@some_examples
@given(
    n=SIZES,
    m=SIZES,
    batch=st.lists(st.integers(0, 3), max_size=3),
    bias=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_linear_is_a_sum_over_the_last_axis(n, m, batch, bias, seed):
    rng, layer = np.random.default_rng(seed), Linear(n, m, bias=bias)
    x = rng.standard_normal((*batch, n)).astype(np.float32)
    out = layer(from_numpy(x)).data
    assert out.shape == (*batch, m)
    assert out.dtype == np.float32
    weight = layer.weight.data.astype(np.float64)
    shift = layer.bias.data if bias else np.zeros(m)
    for index in np.ndindex(*batch):
        expected = [math.fsum(w * v for w, v in zip(row, x[index], strict=True)) for row in weight]
        np.testing.assert_allclose(out[index], expected + shift, rtol=1e-5, atol=1e-5)


@pytest.mark.exercise("uniform_parameter", "linear")
def test_linear_of_doubles_is_double():
    layer = Linear(3, 2)
    layer.weight, layer.bias = Parameter(np.ones((2, 3))), Parameter(np.zeros(2))
    out = layer(from_numpy(np.array([[0.1, 0.2, 0.3]])))
    assert out.dtype == np.float64
    np.testing.assert_allclose(out.data, [[0.6, 0.6]], rtol=1e-15)


@pytest.mark.exercise("uniform_parameter", "linear")
def test_linear_uses_the_weights_it_has_now():
    layer = Linear(2, 1, bias=False)
    layer.weight.data[...] = [[3.0, 4.0]]
    assert layer(Tensor([1.0, 1.0])).data.tolist() == [7.0]
    layer.weight = Parameter([[5.0, 6.0]])
    assert layer(Tensor([1.0, 1.0])).data.tolist() == [11.0]


@pytest.mark.exercise("uniform_parameter", "linear")
def test_linear_says_how_to_mend_the_shape():
    layer = Linear(784, 10)
    with pytest.raises(ValueError) as caught:
        layer(Tensor(np.zeros((32, 28, 28))))
    assert str(caught.value) == (
        "Linear(784, 10) takes inputs whose last axis is 784, but got shape (32, 28, 28). "
        "Flatten each image first, for example x.reshape(32, -1)."
    )
    with pytest.raises(ValueError, match=r"but got shape \(32, 10\)\. .* make the layer Linear\(10, 10\)"):
        layer(Tensor(np.zeros((32, 10))))
    with pytest.raises(ValueError, match=r"but got shape \(\)\."):
        layer(Tensor(1.0))
    with pytest.raises(ValueError, match=r"but got shape \(784, 2\)\."):
        layer(Tensor(np.zeros((784, 2))))


@pytest.mark.exercise("uniform_parameter", "linear")
@pytest.mark.parametrize(("x", "name"), [([1.0, 2.0], "list"), (np.zeros(2), "ndarray"), (3.0, "float")])
def test_linear_takes_tensors_only(x, name):
    with pytest.raises(TypeError, match=rf"Linear\(2, 1\) takes a tensor, but got {name}"):
        Linear(2, 1)(x)


@pytest.mark.parametrize(("n", "m"), [(0, 3), (3, 0), (-1, 3)])
def test_linear_needs_features(n, m):
    with pytest.raises(ValueError, match=rf"but got Linear\({n}, {m}\)"):
        Linear(n, m)


@pytest.mark.exercise("attributes", "uniform_parameter", "linear")
def test_linear_shows_its_sizes():
    assert repr(Linear(4, 2)) == "Linear(in_features=4, out_features=2, bias=True)"
    assert repr(Linear(4, 2, bias=False)) == "Linear(in_features=4, out_features=2, bias=False)"


# Dropout


@pytest.mark.exercise("dropout")
@some_examples
@given(p=st.floats(0, 0.99), shape=st.lists(st.integers(0, 5), max_size=3), seed=st.integers(0, 2**32 - 1))
def test_dropout_zeroes_or_scales_each_element(p, shape, seed):
    x = np.random.default_rng(seed).uniform(1, 2, shape)
    before = x.copy()
    out = Dropout(p)(from_numpy(x)).data
    assert out.shape == x.shape
    kept = out != 0
    np.testing.assert_allclose(out[kept], x[kept] / (1 - p), rtol=1e-12)
    np.testing.assert_array_equal(x, before)


@pytest.mark.exercise("dropout")
@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_drops_a_share_of_p_and_keeps_the_mean(p):
    n = 200 * 500
    out = Dropout(p)(from_numpy(np.ones((200, 500)))).data
    dropped = out == 0
    deviation = math.sqrt(p * (1 - p) / n)
    assert abs(dropped.mean() - p) < 4 * deviation
    assert abs(out.mean() - 1) < 4 * deviation / (1 - p)


@pytest.mark.exercise("dropout")
def test_dropout_draws_for_each_element_on_its_own():
    dropped = Dropout(0.5)(from_numpy(np.ones((300, 300)))).data == 0
    for axis in (0, 1):
        assert dropped.mean(axis=axis).std() < 2 * math.sqrt(0.25 / 300)
    assert abs((dropped[:, 1:] == dropped[:, :-1]).mean() - 0.5) < 0.01


@pytest.mark.exercise("dropout")
def test_dropout_draws_anew_each_time_and_from_the_seed():
    dropout, x = Dropout(0.5), from_numpy(np.ones(100))
    manual_seed(7)
    first, second = dropout(x).data, dropout(x).data
    assert (first != second).any()
    manual_seed(7)
    np.testing.assert_array_equal(dropout(x).data, first)


@pytest.mark.exercise("dropout")
def test_dropout_rests_in_use():
    dropout, x = Dropout(0.9), from_numpy(np.ones((30, 30)))
    dropout.training = False
    np.testing.assert_array_equal(dropout(x).data, x.data)
    assert dropout(x) is x


@pytest.mark.exercise("dropout")
def test_dropout_of_nothing_and_of_everything():
    x = from_numpy(np.array([[1.0, -2.0], [3.0, 4.0]]))
    np.testing.assert_array_equal(Dropout(0)(x).data, x.data)
    out = Dropout(1)(x)
    assert out.shape == (2, 2)
    assert not out.data.any()


@pytest.mark.exercise("dropout")
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("p", [0.0, 0.5, 1.0])
def test_dropout_keeps_the_dtype(dtype, p):
    assert Dropout(p)(from_numpy(np.ones(4, dtype))).dtype == dtype


@pytest.mark.parametrize("p", [-0.1, 1.1, math.nan, math.inf])
def test_a_chance_outside_0_to_1_is_an_error(p):
    with pytest.raises(ValueError, match=f"0 to 1, but got p={p}"):
        Dropout(p)


@pytest.mark.exercise("attributes")
def test_dropout_shows_its_chance_and_has_a_default():
    assert repr(Dropout()) == "Dropout(p=0.5)"


# Flatten


@pytest.mark.exercise("flatten")
@pytest.mark.parametrize(
    ("start", "end", "shape", "expected"),
    [
        (1, -1, (32, 28, 28), (32, 784)),
        (1, -1, (2, 3, 4, 5), (2, 60)),
        (1, 2, (2, 3, 4, 5), (2, 12, 5)),
        (0, 1, (2, 3, 4), (6, 4)),
        (0, -1, (2, 3, 4), (24,)),
        (-2, -1, (2, 3, 4), (2, 12)),
        (1, 1, (2, 3, 4), (2, 3, 4)),
        (1, -1, (2, 3), (2, 3)),
        (1, -1, (0, 28, 28), (0, 784)),
        (1, -1, (4, 0, 3), (4, 0)),
        (0, -1, (), (1,)),
        (1, -1, (1, 1, 1), (1, 1)),
    ],
)
def test_flatten_joins_axes(start, end, shape, expected):
    x = np.arange(math.prod(shape), dtype=np.float64).reshape(shape)
    out = Flatten(start, end)(from_numpy(x))
    assert out.shape == expected
    assert out.dtype == np.float64
    assert out.data.ravel().tolist() == x.ravel().tolist()


@pytest.mark.exercise("flatten")
@some_examples
@given(shape=st.lists(st.integers(1, 4), min_size=1, max_size=5), data=st.data())
def test_flatten_leaves_the_axes_around_alone(shape, data):
    start = data.draw(st.integers(0, len(shape) - 1))
    end = data.draw(st.integers(start, len(shape) - 1))
    x = np.arange(math.prod(shape)).reshape(shape)
    out = Flatten(start - len(shape), end)(from_numpy(x))
    assert out.shape == (*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :])
    np.testing.assert_array_equal(out.data.reshape(shape), x)


@pytest.mark.exercise("attributes")
def test_flatten_says_which_axis_is_not_there():
    with pytest.raises(IndexError, match=r"got shape \(3,\), which has no axis 1\. Give it a batch axis first"):
        Flatten()(Tensor([1.0, 2.0, 3.0]))
    with pytest.raises(IndexError, match=r"has no axis -3"):
        Flatten(0, -3)(Tensor([[1.0]]))
    with pytest.raises(ValueError, match=r"Flatten\(start_dim=2, end_dim=1\) starts after it ends .* \(2, 3, 4\)"):
        Flatten(2, 1)(Tensor(np.zeros((2, 3, 4))))


# Sequential


def add_one(x):
    return x + 1


def double(x):
    return x * 2


@pytest.mark.exercise("sequential")
def test_sequential_hands_on_from_layer_to_layer_in_order():
    x = Tensor([3.0])
    assert Sequential(add_one, double)(x).data.tolist() == [8.0]
    assert Sequential(double, add_one)(x).data.tolist() == [7.0]
    assert Sequential()(x) is x


@pytest.mark.exercise("sequential")
def test_more_than_ten_layers_keep_their_order():
    model = Sequential(*[add_one if i % 3 else double for i in range(25)])
    expected = 1.0
    for i in range(25):
        expected = expected + 1 if i % 3 else expected * 2
    assert model(Tensor([1.0])).data.tolist() == [expected]


def test_sequential_is_a_sequence():
    scales = [Scale(float(i)) for i in range(4)]
    model = Sequential(*scales)
    assert len(model) == 4
    assert list(model) == scales
    assert model[1] is scales[1]
    assert model[-1] is scales[3]
    assert list(model[1:3]) == scales[1:3]
    assert list(model[::-1]) == scales[::-1]
    assert isinstance(model[1:], Sequential)
    assert len(Sequential()) == 0
    for index in (4, -5):
        with pytest.raises(IndexError, match=f"has 4 layers, so there is no layer {index}"):
            model[index]


def test_append_adds_at_the_end_and_can_be_chained():
    model = Sequential(Scale(1.0))
    last = Scale(3.0)
    assert model.append(Scale(2.0)).append(last) is model
    assert len(model) == 3
    assert model[-1] is last


@pytest.mark.exercise(*TREE)
def test_layers_that_are_no_modules_keep_the_number_of_their_place():
    model = Sequential(Scale(1.0), ReLU(), add_one, Scale(2.0))
    assert [name for name, _ in model.named_children()] == ["0", "3"]
    assert [name for name, _ in model.named_parameters()] == ["0.factor", "3.factor"]
    assert len(model) == 4


@pytest.mark.exercise("attributes", "modules", "train")
def test_other_attributes_of_a_sequential_are_no_layers():
    model = Sequential(Scale(1.0), Scale(2.0)).eval()
    model.note = "mine"
    assert len(model) == 2
    assert not model[1].training


@pytest.mark.exercise("attributes", "state_dict", "uniform_parameter", "linear")
def test_a_nested_network_has_the_names_of_pytorch():
    model = Sequential(
        Flatten(), Linear(4, 3), ReLU(), Sequential(Linear(3, 2), Dropout(0.1), Linear(2, 1, bias=False))
    )
    assert {name: value.shape for name, value in model.state_dict().items()} == {
        "1.weight": (3, 4),
        "1.bias": (3,),
        "3.0.weight": (2, 3),
        "3.0.bias": (2,),
        "3.2.weight": (1, 2),
    }


@pytest.mark.exercise(*TREE, "state_dict")
def test_a_layer_used_twice_is_trained_once_and_saved_twice():
    shared = Scale(2.0)
    model = Sequential(shared, shared)
    assert [name for name, _ in model.named_parameters()] == ["0.factor"]
    assert list(model.state_dict()) == ["0.factor", "1.factor"]


@pytest.mark.exercise("attributes", "uniform_parameter", "linear")
def test_sequential_shows_all_its_layers():
    model = Sequential(Linear(4, 3), ReLU(), Sequential(Dropout(0.1), Flatten()))
    assert repr(model) == (
        "Sequential(\n"
        "  (0): Linear(in_features=4, out_features=3, bias=True)\n"
        "  (1): ReLU()\n"
        "  (2): Sequential(\n"
        "    (0): Dropout(p=0.1)\n"
        "    (1): Flatten(start_dim=1, end_dim=-1)\n"
        "  )\n"
        ")"
    )


@pytest.mark.parametrize(
    ("layers_given", "message"),
    [
        ((ReLU,), r"layer 0 of Sequential is the class ReLU\. Make a layer of it: ReLU\(\.\.\.\)"),
        ((add_one, Linear), "layer 1 of Sequential is the class Linear"),
        (([add_one],), r"layer 0 of Sequential is a list, .* Sequential\(\*layers\)"),
        ((add_one, None), "layer 1 of Sequential is a NoneType, which is not callable"),
    ],
)
def test_what_is_no_layer_is_an_error(layers_given, message):
    with pytest.raises(TypeError, match=message):
        Sequential(*layers_given)


# All of it


@pytest.mark.exercise(
    *TREE, "train", "state_dict", "load_state_dict", "uniform_parameter", "linear", "dropout", "flatten", "sequential"
)
def test_a_network_is_built_switched_saved_and_loaded():
    def network():
        return Sequential(Flatten(), Linear(784, 256), ReLU(), Dropout(0.5), Linear(256, 128), ReLU(), Linear(128, 10))

    model, other = network(), network()
    assert sum(parameter.size for parameter in model.parameters()) == 235_146
    images = from_numpy(np.random.default_rng(0).random((5, 28, 28), dtype=np.float32))
    assert (model(images).data != model(images).data).any()

    logits = model.eval()(images).data
    assert (other.eval()(images).data != logits).any()
    other.load_state_dict(model.state_dict())
    np.testing.assert_array_equal(other(images).data, logits)

    x = images.data.reshape(5, 784)
    for i in (1, 4, 6):
        x = np.einsum("nk,mk->nm", x, model[i].weight.data) + model[i].bias.data
        x = np.where(x > 0, x, 0) if i < 6 else x
    np.testing.assert_allclose(logits, x, rtol=1e-4, atol=1e-5)


@pytest.mark.exercise(*TREE, "state_dict", "uniform_parameter", "linear", "flatten", "sequential")
def test_the_examples_in_the_docstrings_hold():
    failed, attempted = doctest.testmod(layers)
    assert failed == 0
    assert attempted >= 10
