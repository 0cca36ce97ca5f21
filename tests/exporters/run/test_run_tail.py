"""The end of the output that is kept for a failure."""

from specter_exporters.run.tail import Tail


def test_short_output_is_kept_as_it_came() -> None:
    tail = Tail(100)
    for stream, output in ((1, b"one\n"), (2, b"two\n"), (1, b"three")):
        tail.add(output, stream)
    assert tail.text() == "one\ntwo\nthree"


def test_much_on_one_stream_does_not_push_out_the_other() -> None:
    tail = Tail(1000)
    tail.add(b"the disk is full\n", 2)
    for number in range(5000):
        tail.add(b"line %d\n" % number, 1)
    text = tail.text()
    assert text.startswith("the disk is full\nline 4")
    assert text.endswith("line 4999\n")
    assert 900 < len(text) <= 1000


def test_of_two_that_are_long_each_keeps_half_from_the_beginning_of_a_line() -> None:
    tail = Tail(1000)
    tail.add(b"out\n" * 3000, 1)
    tail.add(b"a longer line of errors\n" * 3000, 2)
    out, _, err = tail.text().partition("a longer")
    assert set(out.splitlines()) == {"out"}
    assert 480 < len(out) <= 500
    assert 480 <= len("a longer" + err) <= 500
    assert err.startswith(" line of errors\n")


def test_a_line_that_is_longer_than_all_is_cut_within() -> None:
    tail = Tail(10)
    tail.add(b"x" * 95 + b"12345")
    assert tail.text() == "xxxxx12345"
    tail.add("ü".encode() * 30)
    assert tail.text() == "ü" * 5
