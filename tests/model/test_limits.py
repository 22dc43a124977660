from mpcontinuity.model.limits import ConnectionLimits


def test_a_host_gets_no_more_than_its_share_until_it_gives_one_back() -> None:
    limits = ConnectionLimits(10, 2)
    assert [limits.take("192.0.2.1") for _ in range(3)] == [True, True, False]
    assert limits.take("192.0.2.2")
    limits.release("192.0.2.1")
    assert limits.take("192.0.2.1")


def test_the_total_holds_for_trusted_networks_too_but_their_hosts_have_no_limit_of_their_own() -> None:
    limits = ConnectionLimits(3, 1, ["192.0.2.0/24"])
    assert [limits.take("192.0.2.1") for _ in range(4)] == [True, True, True, False]


def test_an_ipv6_host_is_its_64_bit_network_and_a_mapped_address_is_the_ipv4_host() -> None:
    limits = ConnectionLimits(10, 1)
    assert limits.take("2001:db8::1")
    assert not limits.take("2001:db8::2")
    assert limits.take("2001:db8:0:1::1")
    assert limits.take("::ffff:192.0.2.1")
    assert not limits.take("192.0.2.1")


def test_nothing_is_remembered_of_hosts_that_left() -> None:
    limits = ConnectionLimits(10, 1)
    for number in range(5):
        host = f"192.0.2.{number}"
        assert limits.take(host)
        limits.release(host)
    assert limits._hosts == {}
