"""Where a request ends, whatever pieces it comes in."""

from io import BufferedReader, BytesIO

import pytest
from cheroot.errors import MaxSizeExceeded
from cheroot.server import ChunkedRFile

from specter_core.http_framing import Framing

HEAD = b"POST / HTTP/1.1\r\nHost: localhost\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
NEXT = b"GET /next HTTP/1.1\r\n\r\n"

REQUESTS = (
    *(b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\n\n", b"\r\nGET / HTTP/1.1\r\nA: b\r\n\r\n"),
    *(HEAD + b"Content-Length: 5\r\n\r\nhello", HEAD + b"content-LENGTH :0\r\n\r\n"),
    *(CHUNKED + b"0\r\n\r\n", CHUNKED + b"5\r\nhello\r\n1a ;x=y\r\n" + b"z" * 26 + b"\r\n0\r\n\r\n"),
    *(CHUNKED + b"1\r\n\n\r\n00;last\r\n\r\n", CHUNKED + b"2\r\n\r\n\r\n0\r\nTrailer: 1\r\n\r\n"),
)


@pytest.mark.parametrize("request_bytes", REQUESTS)
def test_a_request_ends_where_the_next_one_begins_in_whatever_pieces_it_comes(request_bytes: bytes) -> None:
    whole = Framing(1000, 1000)
    assert whole.complete(bytearray(request_bytes + NEXT))
    assert (whole.end, whole.sound) == (len(request_bytes), True)
    framing, received = Framing(1000, 1000), bytearray()
    for byte in request_bytes:
        assert not framing.complete(received), bytes(received)
        received.append(byte)
    assert framing.complete(received)
    assert (framing.end, framing.sound) == (len(request_bytes), True)


UNSOUND = (
    *(HEAD + b"Content-Length: -5\r\n\r\n", HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n"),
    *(HEAD + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", HEAD + b"Content-Length: 1001\r\n\r\n"),
    *(HEAD + b"Content-Length:\r\n 5\r\n\r\n", HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n"),
    *(CHUNKED + b"+5\r\n", CHUNKED + b"5_0\r\n", CHUNKED + b"5\n", CHUNKED + b"\r\n", CHUNKED + b"1" * 256),
    *(CHUNKED + b"1\r\naXX", CHUNKED + b"fffffff\r\n", CHUNKED + b"0\r\n" + b"A: b\r\n" * 400, b"x" * 2001),
    HEAD + b"A: b\r\n" * 400 + b"\r\n",
)


@pytest.mark.parametrize("request_bytes", UNSOUND)
def test_what_has_no_certain_end_is_complete_and_nothing_follows_it(request_bytes: bytes) -> None:
    framing = Framing(2000, 1000)
    assert framing.complete(bytearray(request_bytes))
    assert (framing.end, framing.sound) == (len(request_bytes), False)


def test_a_body_with_a_length_and_in_chunks_ends_by_its_chunks_and_nothing_follows_it() -> None:
    request = HEAD + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"
    framing = Framing(1000, 1000)
    assert framing.complete(bytearray(request + NEXT))
    assert (framing.end, framing.sound) == (len(request), False)


def test_only_a_client_that_speaks_http_1_1_is_told_to_continue() -> None:
    for version, expects in ((b"1.1", True), (b"1.0", False)):
        framing = Framing(1000, 1000)
        head = b"POST / HTTP/%s\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\n" % version
        assert not framing.complete(bytearray(head))
        assert framing.expects_continue is expects


def test_a_body_in_chunks_that_is_given_up_for_its_size_is_too_large_for_its_reader_as_well() -> None:
    chunk = b"1;" + b"x" * 90 + b"\r\n1\r\n"
    framing, received = Framing(1000, 10_000), bytearray(CHUNKED)
    for byte in chunk * 200:  # piece by piece, so that it is given up at the first byte that is too much
        received.append(byte)
        if framing.complete(received):
            break
    assert not framing.sound
    body = ChunkedRFile(BufferedReader(BytesIO(received[len(CHUNKED) : framing.end])), 10_000)
    with pytest.raises((MaxSizeExceeded, OSError), match="Too Large"):
        body.read(20_000)
