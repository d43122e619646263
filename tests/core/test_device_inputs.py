"""Which input a user means, and what is listed: without hardware."""

import pytest
from fake_devices import SR, FakeSoundDevice, device

from streammer.errors import DeviceError
from streammer.sources.device import portaudio, pulse
from streammer.sources.device.inputs import InputDevice, WantedInput, choose


def monitor(name, server_name, *, loopback=True):
    return InputDevice(-1, name, "PulseAudio", 2, SR, False, loopback, server_name)


@pytest.fixture
def served(monkeypatch):
    """What the sound server lists."""
    sources = []
    monkeypatch.setattr(pulse, "sources", lambda sr: list(sources))
    return sources


@pytest.fixture
def sound(served):
    return FakeSoundDevice(
        [
            device("USB Mic", 1),
            device("Scarlett 18i20 USB", 18),
            device("HDMI 0", 0),
            device("Monitor of Built-in Audio"),
            device("Scarlett Solo USB"),
        ]
    )


def chosen(sound, text, name=""):
    return choose(portaudio.inputs(sound), WantedInput(text, name))


def test_mic_is_the_systems_default_input(sound):
    sound.default = 4
    assert chosen(sound, None).name == "Scarlett Solo USB"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("usb mic", "USB Mic"),
        ("solo", "Scarlett Solo USB"),
        ("#3", "Monitor of Built-in Audio"),
    ],
)
def test_a_part_of_a_name_in_any_case_or_a_number_is_enough(sound, text, found):
    assert chosen(sound, text).name == found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Scarlet Solo", "Scarlett Solo USB"),
        ("nothing like it", "USB Mic"),
        ("scarlett", "'Scarlett 18i20 USB' .#1., 'Scarlett Solo USB' .#4."),
        ("#2", "no input has the number 2"),
        ("#x", "no number"),
        ("", "is called ''"),
    ],
)
def test_a_miss_names_what_is_there(sound, text, said):
    with pytest.raises(DeviceError, match=said) as refusal:
        chosen(sound, text)
    assert "\n" not in str(refusal.value)


def test_without_any_input_or_without_a_default_it_is_said(sound):
    sound.default = -1
    with pytest.raises(DeviceError, match="no default input"):
        chosen(sound, None)
    sound.devices = []
    with pytest.raises(DeviceError, match="no sound input"):
        chosen(sound, None)


def test_all_channels_are_opened_but_not_the_made_up_ones_of_a_sound_server(sound):
    sound.devices.append(device("pulse", 32))
    assert chosen(sound, "18i20").channels == 18
    assert chosen(sound, "pulse").channels == 2


def test_a_number_means_the_device_that_had_it_at_first(sound):
    sound.devices = sound.devices[2:]
    assert chosen(sound, "#4", "Scarlett Solo USB").index == 2
    with pytest.raises(DeviceError, match=r"USB Mic .device:#0. is not connected"):
        chosen(sound, "#0", "USB Mic")


def test_one_device_under_two_systems_is_one_device(sound):
    sound.devices.append(device("Scarlett Solo USB", 2, api=1))
    assert chosen(sound, "solo").index == 4


def test_what_repeats_the_machines_own_sound_is_marked(sound):
    found = portaudio.inputs(sound)
    assert [d.name for d in found if d.loopback] == ["Monitor of Built-in Audio"]
    assert [d.name for d in found if d.default] == ["USB Mic"]


def test_the_sound_servers_monitors_are_listed_by_name_after_portaudios_inputs(sound, served):
    sound.devices.append(device("pulse", 32))
    served.append(monitor("Monitor of Speakers", "alsa_output.pci.monitor"))
    served.append(monitor("Headset", "bluez.headset", loopback=False))
    found = portaudio.inputs(sound)
    assert [(d.index, d.name, d.loopback) for d in found[-2:]] == [
        (6, "Monitor of Speakers", True),
        (7, "Headset", False),
    ]
    assert chosen(sound, "speakers").server_name == "alsa_output.pci.monitor"
    assert chosen(sound, "alsa_output.pci").name == "Monitor of Speakers"
    assert chosen(sound, "#6").name == "Monitor of Speakers"


def test_a_monitor_that_portaudio_lists_itself_is_listed_once(sound, served):
    sound.devices.append(device("pulse", 32))
    served.append(monitor("Monitor of Built-in Audio", "built-in.monitor"))
    assert len(portaudio.inputs(sound)) == 5


def test_a_server_that_alsa_does_not_reach_is_not_listed(sound, served):
    served.append(monitor("Monitor of Speakers", "alsa_output.pci.monitor"))
    assert "Monitor of Speakers" not in [d.name for d in portaudio.inputs(sound)]


def test_a_card_is_preferred_to_the_monitor_that_bears_its_name(sound, served):
    sound.devices.append(device("pulse", 32))
    served.append(monitor("Monitor of Scarlett Solo USB", "solo.monitor"))
    served.append(monitor("Jabra", "jabra", loopback=False))
    served.append(monitor("Monitor of Jabra", "jabra.monitor"))
    assert chosen(sound, "solo").name == "Scarlett Solo USB"
    assert chosen(sound, "jabra").name == "Jabra"
    assert chosen(sound, "monitor of jabra").name == "Monitor of Jabra"
