"""`streammer bridge osc` beside liblo's oscdump: it moves, and both sides may come and go."""

import re
import signal

from receivers import bridge, free_port, needs_program


def read_until(process, wanted, lines=20000):
    """Return the first value of the lines that is as wanted."""
    for _ in range(lines):
        found = wanted(process.line())
        if found is not None:
            return found
    raise AssertionError("the receiver shows nothing of the kind")


def shows(pattern, test=lambda _: True):
    def look(line):
        found = re.search(pattern, line)
        return found.group(1) if found and test(found.group(1)) else None

    return look


def test_oscdump_receives_moving_values_and_the_bridge_ends_in_order(start, publish):
    oscdump, port = needs_program("oscdump", "liblo-tools"), free_port()
    _, endpoint = publish()
    sender = start(*bridge("osc", "--port", port, "--connect", endpoint, "--attack", 0.2))
    receiver = start(oscdump, "-L", port)
    valence = r"/mood/main/valence f (-?[\d.]+)"
    read_until(receiver, shows(valence, lambda v: float(v) > 0.4))
    read_until(receiver, shows(valence, lambda v: float(v) < 0.0))
    assert read_until(receiver, shows(r"/mood/main/quadrant i (\d)")) in "1234"
    assert sender.end(signal.SIGTERM) == 0
    assert "frames sent" in sender.err


def test_a_restarted_receiver_goes_on_receiving_and_a_killed_publisher_brings_rest(start, publish):
    oscdump, port = needs_program("oscdump", "liblo-tools"), free_port()
    publisher, endpoint = publish()
    sender = start(*bridge("osc", "--port", port, "--connect", endpoint, "--fade", 0.2))
    sender.await_err("trying again")
    first = start(oscdump, "-L", port)
    read_until(first, shows(r"/mood/main/state s \"?(\w+)", lambda s: s == "live"))
    sender.await_err("goes on")
    first.send(signal.SIGKILL)
    first.wait()
    second = start(oscdump, "-L", port)
    read_until(second, shows(r"/mood/main/state s \"?(\w+)", lambda s: s == "live"))
    publisher.send(signal.SIGKILL)
    read_until(second, shows(r"/mood/main/state s \"?(\w+)", lambda s: s == "stale"))
    read_until(second, shows(r"/mood/main/active f ([\d.]+)", lambda a: float(a) == 0.0))
    assert sender.end(signal.SIGTERM) == 0
