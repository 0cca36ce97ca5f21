"""Summaries in fixed memory against exact counting."""

import random
from collections import Counter, defaultdict

from datasketches import hll_sketch
from hypothesis import given, settings
from hypothesis import strategies as st

from specter_exporters.signin.frequent import SLACK, FrequentItems, merged
from specter_exporters.signin.partners import PartneredItems, distinct, see

ITEMS = st.lists(st.lists(st.integers(0, 60), max_size=60), max_size=20)


@given(batches=ITEMS, keep=st.integers(1, 12))
def test_counts_are_lower_bounds_within_the_error_and_the_error_within_its_promise(
    batches: list[list[int]], keep: int
) -> None:
    summary: FrequentItems[int] = FrequentItems(keep)
    exact: Counter[int] = Counter()
    for batch in batches:
        summary.add(batch)
        exact.update(batch)
        assert len(summary) <= SLACK * keep
    assert summary.total == exact.total()
    assert summary.error <= summary.total / (keep + 1)
    for item, count in exact.items():
        assert count - summary.error <= summary.count(item) <= count
    frequent = {item for item, count in exact.items() if count > summary.total / (keep + 1)}
    assert frequent <= {item for item, _ in summary.items()}


@given(batches=ITEMS, keep=st.integers(1, 12))
def test_merged_summaries_keep_the_promise(batches: list[list[int]], keep: int) -> None:
    parts: list[FrequentItems[int]] = []
    for batch in batches:
        part: FrequentItems[int] = FrequentItems(keep)
        part.add(batch)
        part.compact()
        assert len(part) <= keep
        parts.append(part)
    exact = Counter(item for batch in batches for item in batch)
    error = sum(part.error for part in parts)
    counts = merged(parts)
    assert error <= exact.total() / (keep + 1)
    for item, count in exact.items():
        assert count - error <= counts[item] <= count


def test_few_items_are_counted_exactly() -> None:
    summary: FrequentItems[str] = FrequentItems(4)
    summary.add(["a"] * 3 + ["b"] * 2 + list("cdefghijkl"))
    assert (summary.count("a"), summary.count("b"), summary.count("l"), summary.error) == (3, 2, 1, 0)
    summary.add(["m"])  # the thirteenth: down to four, by the count that is fifth
    assert (summary.count("a"), summary.count("b"), summary.count("l"), summary.error) == (2, 1, 0, 1)


def test_the_rank_is_that_of_the_sorted_counts() -> None:
    summary: FrequentItems[str] = FrequentItems(10)
    summary.add(list("aaabbc"))
    assert [summary.rank(place) for place in (1, 2, 3, 4)] == [3, 2, 1, 0]


PAIRS = st.lists(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 40)), max_size=40), max_size=10)


@given(batches=PAIRS)
@settings(max_examples=60)
def test_partners_of_tracked_items_are_counted_exactly_while_few(
    batches: list[list[tuple[int, int]]],
) -> None:
    items: PartneredItems[bytes] = PartneredItems(keep=20, track=20)
    exact: dict[bytes, set[int]] = defaultdict(set)
    for batch in batches:
        items.add([bytes([key]) for key, _ in batch], [hash(str(partner)) for _, partner in batch])
        for key, partner in batch:
            exact[bytes([key])].add(partner)
    found = {key: distinct([tracked.failed]) for key, tracked in items.tracked.items()}
    assert found == {key: len(partners) for key, partners in exact.items()}


def test_only_the_most_frequent_are_tracked_and_the_tracked_are_kept_among_equals() -> None:
    items: PartneredItems[str] = PartneredItems(keep=100, track=2)
    items.add(["a", "b"], [1, 1])
    items.add(["c", "d", "e"], [1, 1, 1])
    assert set(items.tracked) == {"a", "b"}
    items.add(["c", "c"], [2, 3])
    assert "c" in items.tracked
    assert len(items.tracked) <= 2
    assert distinct([items.tracked["c"].failed]) == 2  # from the batch on that brought it up


def test_many_partners_are_estimated_within_a_few_percent() -> None:
    items: PartneredItems[str] = PartneredItems(keep=10, track=10)
    items.add(["a"] * 50_000, list(map(hash, map(str, range(50_000)))))
    # Four standard errors: Python's hashes differ with each process.
    assert abs(distinct([items.tracked["a"].failed]) - 50_000) < 0.13 * 50_000


def test_a_flood_of_single_items_is_not_given_sketches() -> None:
    items: PartneredItems[str] = PartneredItems(keep=100, track=10)
    rng = random.Random(1)
    for _ in range(50):
        names = [f"{rng.getrandbits(64)}" for _ in range(200)]
        items.add(names, [None] * 200)
    assert len(items.counts) <= 300
    assert len(items.tracked) <= 10


def test_unknown_partners_count_as_none() -> None:
    items: PartneredItems[str] = PartneredItems(keep=10, track=10)
    items.add(["a", "a"], [None, None])
    assert items.counts.count("a") == 2
    assert distinct([items.tracked["a"].failed]) == 0


def test_a_sketch_sees_each_value_once() -> None:
    sketch = hll_sketch(10)
    see(sketch, ["a", "b", "a"])
    see(sketch, ["b"])
    assert distinct([sketch, None]) == 2
