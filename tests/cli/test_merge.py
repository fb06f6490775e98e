"""Merging three ways: what every merge promises, whatever the lines are."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from tito.merge import OPENS, Conflict, commented, common, flat, marked, merge

# few different lines, so that they are often equal
texts = st.lists(st.sampled_from(["", "a", "b", "    c", "d"]), max_size=9)


def both(conflict: Conflict) -> list[str]:
    return [*conflict.mine, *conflict.new]


@given(base=texts, side=texts)
def test_what_one_side_changed_is_taken(base: list[str], side: list[str]) -> None:
    assert merge(base, side, base) == side
    assert merge(base, base, side) == side


@given(base=texts, side=texts)
def test_what_both_sides_changed_alike_is_no_conflict(base: list[str], side: list[str]) -> None:
    assert merge(base, side, side) == side


@given(base=texts, mine=texts, new=texts)
def test_no_line_that_a_side_has_written_is_lost(base: list[str], mine: list[str], new: list[str]) -> None:
    merged = Counter(flat(merge(base, mine, new), both))
    for side in (mine, new):
        written = Counter(side) - Counter(base)
        assert not written - merged


@given(base=texts, mine=texts, new=texts)
def test_sides_are_equal_in_rights(base: list[str], mine: list[str], new: list[str]) -> None:
    turned = [Conflict(part.new, part.mine) if isinstance(part, Conflict) else part for part in merge(base, new, mine)]
    assert merge(base, mine, new) == turned


@given(before=texts, after=texts, mine=texts, new=texts)
def test_changes_in_different_places_are_both_there(
    before: list[str], after: list[str], mine: list[str], new: list[str]
) -> None:
    fence = ["# one", "# two", "# three"]  # lines that nothing else is taken for
    base = [*before, *fence, *after]
    assert merge(base, [*mine, *fence, *after], [*before, *fence, *new]) == [*mine, *fence, *new]


@given(mine=texts, new=texts)
def test_without_a_base_both_texts_are_there(mine: list[str], new: list[str]) -> None:
    merged = flat(merge(common(mine, new), mine, new), both)
    for side in (mine, new):
        assert not Counter(side) - Counter(merged)
    assert merge(common(mine, mine), mine, mine) == mine


def test_a_conflict_in_prose_has_the_markers_that_editors_know() -> None:
    merged = merge(["one", "two", "three"], ["one", "mine", "three"], ["one", "new", "three"])
    lines = ["one", f"{OPENS}", "mine", "=======", "new", ">>>>>>> the course's", "three"]
    assert flat(merged, marked) == lines


def test_a_conflict_in_code_is_code_in_which_the_own_lines_stand() -> None:
    base = ["def f(x):", "    return x"]
    mine, new = ["def f(x):", "    y = x", "    return y"], ["def f(x):", "    if x:", "        return x"]
    lines = flat(merge(base, mine, new), commented)
    assert lines == [
        "def f(x):",
        "    # <<<<<<< yours; the course changed these lines too",
        "    y = x",
        "    return y",
        "    # =======",
        "    # if x:",
        "    #     return x",
        "    # >>>>>>> the course's, as comments: keep what you need, then delete the rest",
    ]
    compile("\n".join(lines), "lesson", "exec")
