"""The model of the reader's lights: frames in pieces, noise, wrong check bytes, power."""

from sim.parts.lights import Lights

READ = bytes.fromhex("A50F000196320F")
IDLE = bytes.fromhex("A5000100A4")


def test_frames_in_any_pieces_and_noise_between_them():
    for size in (1, 2, 3, 50):
        model = Lights()
        stream = b"\x00\xff" + READ + b"noise" + IDLE
        for at in range(0, len(stream), size):
            model.feed(stream[at : at + size])
        assert list(model.history) == [(15, 0, ((1500, 500),)), (0, 1, ())]
        assert model.state() == {
            "lights": ["blink", "off", "off", "off"],
            "tones": [],
            "signals": 2,
            "shown": [["on"] * 4, ["blink", "off", "off", "off"]],
        }


def test_a_frame_that_was_changed_on_the_line_is_passed_over():
    model = Lights()
    model.feed(READ[:-1] + b"\x00" + IDLE)
    assert list(model.history) == [(0, 1, ())]


def test_without_power_nothing_shines():
    model = Lights()
    model.feed(READ)
    assert model.state()["lights"] == ["on"] * 4
    model.off()
    assert model.state()["lights"] == ["off"] * 4
