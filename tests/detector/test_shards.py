"""Which detector watches which series."""

import pytest

from specter_core.errors import UsageError
from specter_detector.identity import Identities
from specter_detector.series import Labels, labels_of
from specter_detector.shard import WHOLE, Shard, from_environment, numbered

SERIES = [labels_of({"__name__": "x", "pod": str(number)}) for number in range(3000)]


def test_every_series_belongs_to_one_shard_and_shards_are_about_as_large() -> None:
    shards = [Shard(index, 3) for index in range(3)]
    parts = [set(shard.chosen(SERIES)) for shard in shards]
    assert set().union(*parts) == set(SERIES)
    assert sum(map(len, parts)) == len(SERIES)
    assert all(850 < len(part) < 1150 for part in parts)


def test_a_series_belongs_to_the_same_shard_in_every_query_and_process() -> None:
    series = {"service": "shop", "route": "/café"}
    assert Shard(0, 4).owns(labels_of(series)) == Shard(0, 4).owns(labels_of({"__name__": "y", **series}))
    # Known values: another hash would move all series at an update.
    owners = [next(i for i in range(4) if Shard(i, 4).owns(labels_of({"pod": str(n)}))) for n in range(8)]
    assert owners == [0, 2, 3, 1, 0, 2, 2, 1]


def test_a_detector_alone_watches_everything_without_a_label() -> None:
    assert WHOLE.chosen(SERIES) == SERIES
    assert WHOLE.extra_labels == {}


def test_pods_of_a_stateful_set_find_their_shard_and_replica_by_their_ordinal() -> None:
    def shard(index: str) -> Shard:
        return from_environment(
            WHOLE,
            {
                "SPECTER_DETECTOR_SHARD_INDEX": index,
                "SPECTER_DETECTOR_SHARD_COUNT": "2",
                "SPECTER_DETECTOR_SHARD_REPLICAS": "2",
            },
        )

    shards = [shard(f"specter-detector-{ordinal}") for ordinal in range(4)]
    assert [(each.index, each.replica) for each in shards] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert shards[1].extra_labels == {"detector_replica": "1"}
    assert shard("3") == shards[3]
    with pytest.raises(UsageError, match="an index from 0 to 3"):
        shard("4")
    with pytest.raises(UsageError, match="a pod's name"):
        shard("abc")


def test_without_variables_the_configuration_holds() -> None:
    assert from_environment(Shard(1, 3), {"PATH": "/bin"}) == Shard(1, 3)
    assert from_environment(Shard(1, 3), {"SPECTER_DETECTOR_SHARD_COUNT": "5"}) == Shard(1, 5)
    with pytest.raises(UsageError, match="expected a number"):
        from_environment(WHOLE, {"SPECTER_DETECTOR_SHARD_COUNT": "many"})
    with pytest.raises(UsageError, match="index 2 of 2 shards"):
        numbered(2, 2, 1)


def test_what_is_not_accepted_is_asked_about_once() -> None:
    asked: list[Labels] = []

    def accepts(labels: Labels) -> bool:
        asked.append(labels)
        return dict(labels)["pod"] != "2"

    identities = Identities(accepts)
    for _ in range(3):
        found = [identities.find(b'{"pod":"%d"}' % number) for number in (1, 2)]
        assert found == [labels_of({"pod": "1"}), None]
        identities.keep([(b'{"pod":"1"}', labels_of({"pod": "1"}))])
    assert asked == [labels_of({"pod": "1"}), labels_of({"pod": "2"})]
