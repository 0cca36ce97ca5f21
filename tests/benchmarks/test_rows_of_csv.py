"""Reading `timestamp,value,label`."""

import math

import pytest

from benchmarks.evaluation.rows import DataError, read_rows

MOMENT = 1_525_910_400.0  # 2018-05-10T00:00:00Z


@pytest.mark.parametrize(
    "text",
    [
        "1525910400",
        "1525910400.0",
        "1525910400000",
        "2018-05-10T00:00:00Z",
        "2018-05-10T02:00:00+02:00",
        "2018-05-10 00:00:00",
        '"2018-05-10 00:00:00"',
        " 2018-05-10 ",
    ],
)
def test_a_time_is_read_in_every_form(text: str) -> None:
    rows = read_rows(["timestamp,value,label", f"{text},1,0"], "a.csv")
    assert rows.times.tolist() == [MOMENT]


def test_columns_go_by_name_whatever_their_case_and_order() -> None:
    rows = read_rows(["Label,host,TimeStamp,VALUE", "1,web,60,2.5", "", "0,web,120,3"], "a.csv")
    assert rows.times.tolist() == [60, 120]
    assert rows.values.tolist() == [2.5, 3]
    assert rows.labels.tolist() == [1, 0]


def test_empty_and_nan_values_and_labels_are_unknown() -> None:
    rows = read_rows(["timestamp,value,label", "60,,", "120,NaN,1.0", "180,4,false"], "a.csv")
    assert [math.isnan(value) for value in rows.values] == [True, True, False]
    assert rows.labelled.tolist() == [False, True, True]
    assert rows.labels[1:].tolist() == [1, 0]


def test_a_file_without_labels_is_read_where_none_are_needed() -> None:
    rows = read_rows(["timestamp,value", "60,1"], "a.csv", with_labels=False)
    assert not rows.labelled.any()


def test_a_header_alone_makes_no_rows() -> None:
    assert read_rows(["timestamp,value,label"], "a.csv").times.shape == (0,)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "a.csv:1: no column timestamp, value, label in the header, which is: nothing"),
        (["time,value,label"], "a.csv:1: no column timestamp in the header, which is: time,value,label"),
        (["timestamp,value"], "a.csv:1: no column label in the header, which is: timestamp,value"),
        (["timestamp,value,label", "yesterday,1,0"], "a.csv:2: timestamp 'yesterday' is neither Unix time"),
        (["timestamp,value,label", "-5,1,0"], "a.csv:2: timestamp '-5' is no Unix time in seconds"),
        (["timestamp,value,label", "nan,1,0"], "a.csv:2: timestamp 'nan' is no Unix time in seconds"),
        (
            ["timestamp,value,label", "1525910400000000,1,0"],
            "a.csv:2: timestamp '1525910400000000' is no Unix",
        ),
        (["timestamp,value,label", ",1,0"], "a.csv:2: timestamp '' is neither Unix time nor ISO 8601"),
        (["timestamp,value,label", "60,1,0", "120,high,0"], "a.csv:3: value 'high' is not a number"),
        (["timestamp,value,label", "60,inf,0"], "a.csv:2: value 'inf' is not finite"),
        (["timestamp,value,label", "60,1,maybe"], "a.csv:2: label 'maybe' is not 0, 1, true, false or empty"),
        (["timestamp,value,label", "60,1,2"], "a.csv:2: label '2' is not"),
        (["timestamp,value,label", "60,1"], "a.csv:2: 2 fields, too few for the header: 60,1"),
        (["timestamp,value,label", '"60,1,0'], "a.csv:2: not CSV: unexpected end of data"),
    ],
)
def test_what_cannot_be_read_is_said_with_file_line_and_value(lines: list[str], message: str) -> None:
    with pytest.raises(DataError) as error:
        read_rows(lines, "a.csv")
    assert str(error.value).startswith(message)
