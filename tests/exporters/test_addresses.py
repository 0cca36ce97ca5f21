"""Addresses become keys and labels; clients are found behind proxies, and not where they say they are."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specter_exporters.addresses import INVALID, AddressLabels, address_text, columns, packed, prefix
from specter_exporters.proxies import ProxyError, TrustedProxies


@pytest.mark.parametrize(
    ("text", "address", "network"),
    [
        ("203.0.113.7", "203.0.113.7", "203.0.113.0/24"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2:3:0:0:4", "2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7", "203.0.113.0/24"),
        ("::ffff:cb00:7107", "203.0.113.7", "203.0.113.0/24"),
        ("203.0.113.7:4711", "203.0.113.7", "203.0.113.0/24"),
        ("[2001:db8::1]:443", "2001:db8::1", "2001:db8::/64"),
        ("[2001:db8::1]", "2001:db8::1", "2001:db8::/64"),
        ('"[2001:db8::1]:443"', "2001:db8::1", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::1", "fe80::/64"),
        (" 203.0.113.7\t", "203.0.113.7", "203.0.113.0/24"),
    ],
)
def test_an_address_in_any_spelling_is_one_key(text: str, address: str, network: str) -> None:
    key = packed(text)
    assert address_text(key) == address
    assert address_text(prefix(key)) == network


@pytest.mark.parametrize(
    "text",
    ["", "-", "unknown", "localhost", "1.2.3", "1.2.3.4.5", "256.1.1.1", "::g", "1.2.3.4\0", "ü", "\ud800",
     "_hidden", "[", "]:", "1.2.3.4; DROP TABLE", "a" * 10_000, ":" * 300],
)  # fmt: skip
def test_garbage_is_invalid_and_never_an_error(text: str) -> None:
    assert packed(text) == INVALID
    assert prefix(INVALID) == INVALID
    assert AddressLabels().label(INVALID) == "invalid"


@given(st.lists(st.one_of(st.ip_addresses().map(str), st.text(max_size=80)), max_size=40))
def test_a_batch_has_the_keys_of_its_single_addresses(sources: list[str]) -> None:
    keys = [packed(source) for source in sources]
    assert columns(sources) == (keys, [prefix(key) for key in keys])
    for source, key in zip(sources, keys, strict=True):
        try:
            real = ipaddress.ip_address(source)
        except ValueError:
            continue
        mapped = real.ipv4_mapped if isinstance(real, ipaddress.IPv6Address) else None
        assert key == (mapped or real).packed


def test_labels_are_keyed_hashes_that_only_the_same_key_gives() -> None:
    key = packed("203.0.113.7")
    label = AddressLabels(b"a key of the operator").label(key)
    assert label == AddressLabels(b"a key of the operator").label(key)
    assert len(label) == 16
    assert int(label, 16) >= 0
    others = {
        AddressLabels(b"another key").label(key),
        AddressLabels().label(key),
        AddressLabels().label(key),
    }
    assert len({label, *others}) == 4
    # The network 203.0.113.0/24 is not the address 203.0.113.0.
    labels = AddressLabels()
    assert labels.label(packed("203.0.113.0")) != labels.label(prefix(packed("203.0.113.0")))


def test_labels_show_addresses_where_that_is_wanted() -> None:
    labels = AddressLabels(show=True)
    assert labels.label(packed("203.0.113.7")) == "203.0.113.7"
    assert labels.label(prefix(packed("2001:db8::1"))) == "2001:db8::/64"


PROXIES = TrustedProxies(["10.0.0.0/8", "192.0.2.1", "2001:db8:ffff::/48"])


@pytest.mark.parametrize(
    ("peer", "header", "client"),
    [
        ("10.1.2.3", "203.0.113.7", "203.0.113.7"),
        ("::ffff:10.1.2.3", "203.0.113.7", "203.0.113.7"),
        ("2001:db8:ffff::2", "2001:db8:1::9", "2001:db8:1::9"),
        # Two proxies of ours in a row, and the entry that the client invented.
        ("10.1.2.3", "8.8.8.8, 203.0.113.7, 192.0.2.1", "203.0.113.7"),
        # The client pretends that there was a trusted proxy before it.
        ("10.1.2.3", "8.8.8.8, 10.9.9.9, 203.0.113.7", "203.0.113.7"),
        # Straight to us, past the proxies.
        ("203.0.113.7", "8.8.8.8", "203.0.113.7"),
        ("203.0.113.7", "10.1.1.1", "203.0.113.7"),
        # Nothing but our own: a health check from inside.
        ("10.1.2.3", "10.4.4.4", "10.4.4.4"),
        ("10.1.2.3", "", "10.1.2.3"),
        ("10.1.2.3", "unknown", "10.1.2.3"),
        ("10.1.2.3", "203.0.113.7, unknown", "10.1.2.3"),
        ("10.1.2.3", "garbage, 203.0.113.7", "203.0.113.7"),
        ("10.1.2.3", "203.0.113.7:5555", "203.0.113.7:5555"),
        ("10.1.2.3", ",,,", "10.1.2.3"),
        ("", "203.0.113.7", ""),
    ],
)
def test_the_client_is_the_first_that_no_trusted_proxy_vouches_for(
    peer: str, header: str, client: str
) -> None:
    assert PROXIES.client(peer, header) == client


def test_without_trusted_proxies_the_header_is_not_believed() -> None:
    assert TrustedProxies().client("10.1.2.3", "203.0.113.7") == "10.1.2.3"


def test_a_proxy_behind_a_unix_socket_is_believed_where_the_list_says_so() -> None:
    proxies = TrustedProxies(["unix:", "10.0.0.0/8"])
    assert proxies.client("", "8.8.8.8, 203.0.113.7") == "203.0.113.7"
    assert proxies.client("", "203.0.113.7, 10.1.1.1") == "203.0.113.7"
    assert proxies.client("203.0.113.9", "203.0.113.7") == "203.0.113.9"
    assert TrustedProxies(["unix:"]).client("", "203.0.113.7, ") == ""


def test_a_header_of_many_hops_is_read_from_its_end_only() -> None:
    header = ", ".join(["203.0.113.7", *["10.0.0.1"] * 5000])
    assert PROXIES.client("10.1.2.3", header) == "10.0.0.1"


@given(
    spoofed=st.text(max_size=200), client=st.ip_addresses(v=4).filter(lambda a: a.packed[0] != 10).map(str)
)
def test_whatever_a_client_writes_the_proxy_s_word_counts(spoofed: str, client: str) -> None:
    proxies = TrustedProxies(["10.0.0.0/8"])
    assert proxies.client("10.0.0.1", f"{spoofed},{client}") == client


def test_a_proxy_that_is_no_network_is_refused() -> None:
    with pytest.raises(ProxyError, match=r"'10.0.0.0/33' is no address and no network"):
        TrustedProxies(["10.0.0.0/33"])
