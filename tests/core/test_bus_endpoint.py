"""Endpoints are checked by us, before libzmq makes something else of them."""

import os
import re
import socket
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streammer.bus import Publisher, Subscriber, check_endpoint
from streammer.bus.endpoint import PathLock
from streammer.errors import NetworkError, UsageError

posix = pytest.mark.skipif(sys.platform == "win32", reason="ipc:// as a file")


@pytest.mark.parametrize(
    ("given", "checked"),
    [
        ("tcp://127.0.0.1:5580", "tcp://127.0.0.1:5580"),
        ("tcp://127.9.9.9:1", "tcp://127.9.9.9:1"),
        ("tcp://127.0.0.1:065", "tcp://127.0.0.1:65"),
        ("tcp://[::1]:65535", "tcp://[::1]:65535"),
        ("tcp://localhost:5580", "tcp://127.0.0.1:5580"),
        ("tcp://127.0.0.1:0", "tcp://127.0.0.1:*"),
        ("tcp://127.0.0.1:*", "tcp://127.0.0.1:*"),
    ],
)
def test_loopback_may_be_bound(given, checked):
    assert check_endpoint(given, bind=True) == checked


@pytest.mark.parametrize(
    "endpoint", ["tcp://0.0.0.0:5580", "tcp://*:5580", "tcp://[::]:5580", "tcp://192.168.1.2:5580"]
)
def test_a_bind_beyond_loopback_needs_insecure(endpoint):
    with pytest.raises(NetworkError, match="--insecure") as refused:
        Publisher(endpoint)
    assert refused.value.exit_code == 4
    assert check_endpoint(endpoint, insecure=True, bind=True) == endpoint


def test_a_bind_beyond_loopback_works_with_insecure():
    with Publisher("tcp://0.0.0.0:0", insecure=True) as bus:
        assert bus.endpoint.startswith("tcp://0.0.0.0:")


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "main",
        "5580",
        "127.0.0.1:5580",
        "tcp:/127.0.0.1:5580",
        "tcp://",
        "tcp://127.0.0.1",
        "tcp://127.0.0.1:",
        "tcp://:5580",
        "tcp://127.0.0.1:99999",
        "tcp://127.0.0.1:65536",
        "tcp://127.0.0.1:-1",
        "tcp://127.0.0.1:http",
        "tcp://127.0.0.1:٣",
        "tcp://127.0.0.1:5580/",
        "tcp://127.0.0.1:5580 ",
        "tcp://127.0.0.1:5580\n",
        "tcp://127.0.0:5580",
        "tcp://999.0.0.1:5580",
        "tcp://::1:5580",
        "tcp://[::1:5580",
        "tcp://[127.0.0.1]:5580",
        "tcp://a b:5580",
        "tcp://-:5580",
        "tcp://127.0.0.1:1;127.0.0.1:5580",
        "udp://127.0.0.1:5580",
        "inproc://main",
        "ipc://",
        "ipc://@abstract",
        "ipc://*",
        "ipc:///tmp/",
        "ipc:///tmp/a\0b",
        "ipc:///tmp/" + "a" * 120,
        None,
        5580,
    ],
)
@pytest.mark.parametrize("bind", [True, False])
def test_malformed_endpoints_are_refused_with_an_example(endpoint, bind):
    with pytest.raises(UsageError, match=r"tcp://|ipc:///tmp/") as refused:
        check_endpoint(endpoint, bind=bind, insecure=True)
    assert refused.value.exit_code == 2
    assert "\n" not in str(refused.value)


pieces = st.sampled_from(
    ["tcp", "ipc", "udp", "://", ":", "[", "]", "*", "127.0.0.1", "::1", "localhost", "/tmp/a"]
)


@settings(derandomize=True, max_examples=1500, deadline=None)
@given(
    parts=st.lists(pieces | st.integers(0, 70000).map(str) | st.text(max_size=4), max_size=7),
    bind=st.booleans(),
)
def test_any_text_is_an_endpoint_or_refused(parts, bind):
    try:
        checked = check_endpoint("".join(parts), bind=bind, insecure=True)
    except UsageError:
        return
    assert re.fullmatch(r"tcp://.+:(\*|\d{1,5})|ipc://.+", checked, re.DOTALL)
    assert check_endpoint(checked, bind=bind, insecure=True) == checked


@pytest.mark.parametrize("endpoint", ["tcp://127.0.0.1:0", "tcp://127.0.0.1:*", "tcp://*:5580"])
def test_nobody_connects_to_a_wildcard(endpoint):
    with pytest.raises(UsageError):
        Subscriber(endpoint)


@pytest.mark.parametrize("endpoint", ["tcp://studio-pc.local:5580", "tcp://localhost:5580"])
def test_host_names_may_be_connected_to_but_not_bound(endpoint):
    assert check_endpoint(endpoint) == endpoint
    if "localhost" not in endpoint:
        with pytest.raises(UsageError):
            check_endpoint(endpoint, bind=True, insecure=True)


def test_a_taken_port_is_named_and_another_one_proposed():
    with Publisher("tcp://127.0.0.1:0") as bus:
        port = bus.endpoint.rpartition(":")[2]
        with pytest.raises(NetworkError, match=rf"port {port} is taken.*127\.0\.0\.1:\d+") as taken:
            Publisher(bus.endpoint)
        assert taken.value.exit_code == 4


def test_a_port_is_free_again_after_close():
    with Publisher("tcp://127.0.0.1:0") as bus:
        endpoint = bus.endpoint
    with Publisher(endpoint) as bus:
        assert bus.endpoint == endpoint


def test_an_address_of_another_machine_is_refused():
    with pytest.raises(NetworkError, match="no such address"):
        Publisher("tcp://192.0.2.1:5580", insecure=True)


@posix
def test_a_second_ipc_publisher_is_refused_and_the_first_keeps_its_path(tmp_path):
    path = tmp_path / "mood.ipc"
    with Publisher(f"ipc://{path}"):
        inode = path.stat().st_ino
        with pytest.raises(NetworkError, match="in use"):
            Publisher(f"ipc://{path}")
        assert path.stat().st_ino == inode
    assert os.listdir(tmp_path) == []


@posix
def test_a_left_over_ipc_path_is_taken_over(tmp_path):
    path = tmp_path / "mood.ipc"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    (tmp_path / "mood.ipc.lock").touch()
    with Publisher(f"ipc://{path}") as bus:
        assert bus.endpoint == f"ipc://{path}"


@posix
def test_an_ipc_path_that_another_program_serves_is_not_stolen(tmp_path):
    path = tmp_path / "mood.ipc"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        with pytest.raises(NetworkError, match="another program"):
            Publisher(f"ipc://{path}")
    assert path.exists()


@posix
def test_a_file_at_an_ipc_path_is_not_removed(tmp_path):
    path = tmp_path / "letter.txt"
    path.write_text("dear")
    with pytest.raises(NetworkError, match="no socket"):
        Publisher(f"ipc://{path}")
    assert path.read_text() == "dear"
    assert os.listdir(tmp_path) == ["letter.txt"]


@posix
def test_an_ipc_path_in_no_directory_is_refused(tmp_path):
    with pytest.raises(NetworkError, match="No such file"):
        Publisher(f"ipc://{tmp_path}/none/mood.ipc")


@posix
def test_a_path_lock_is_held_by_one_at_a_time(tmp_path):
    path = str(tmp_path / "mood.ipc")
    for _ in range(3):
        lock = PathLock(path)
        with pytest.raises(NetworkError):
            PathLock(path)
        lock.release()
        lock.release()
