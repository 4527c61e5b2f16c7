"""Ports."""

import socket

import pytest

from emulator.errors import StartError
from emulator.ports import HOST, Ports, address_of, bound


def test_zero_is_any_free_port() -> None:
    """Four different ones, which are free again at the end."""
    with bound(Ports()) as sockets:
        addresses = {address_of(getattr(sockets, name)) for name in Ports.__slots__}
    assert len(addresses) == 4
    for address in addresses:
        with socket.create_server((HOST, int(address.rpartition(":")[2]))):
            pass


def test_a_taken_port_is_an_error() -> None:
    """The message says which, who wants it and what to do; the ports before it are let go."""
    with socket.create_server((HOST, 0)) as other:
        port = other.getsockname()[1]
        wanted = rf"port {port} is taken.*bigquery_storage.*--bigquery-storage-port"
        with pytest.raises(StartError, match=wanted), bound(Ports(bigquery_storage=port)):
            pass


def test_two_services_cannot_share_a_port() -> None:
    """The second of them finds it taken."""
    with socket.create_server((HOST, 0)) as other:
        port = other.getsockname()[1]
    with pytest.raises(StartError, match=rf"port {port} is taken.*storage"), bound(Ports(bigquery=port, storage=port)):
        pass


def test_a_number_that_is_no_port_is_an_error() -> None:
    """With the range that there is."""
    with pytest.raises(StartError, match=r"--port 70000: wanted a port from 0"), bound(Ports(aiplatform=70000)):
        pass
