"""The ONNX backend: slots own the states, and streams do not feel each other."""

import os
import subprocess
import sys
import threading
import tracemalloc

import numpy as np
import pytest

from streammer.errors import ModelError, UsageError
from streammer.inference.backends import Backend
from streammer.inference.backends import onnx as onnx_backend
from streammer.inference.backends.buckets import BUCKETS, divided
from streammer.inference.backends.onnx import OnnxBackend
from streammer.inference.model import load_model
from tests.core.test_model import touchy
from tests.core.tiny_model import build_tiny


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return load_model(build_tiny(tmp_path_factory.mktemp("zoo") / "tiny.onnx"))


@pytest.fixture
def backend(model):
    return OnnxBackend(model)


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def chunk(rng, batch=1):
    return {"features": rng.lognormal(0.0, 3.0, (batch, 25, 80)).astype(np.float32)}


def features_of(model, rng, batch):
    return {
        name: rng.lognormal(0.0, 1.0, (batch, *shape)).astype(np.float32)
        for name, shape in model.feature_shapes.items()
    }


def stack(chunks):
    return {"features": np.concatenate([c["features"] for c in chunks])}


def test_a_backend_is_what_the_engine_asks_for(backend):
    def use(_: Backend) -> None: ...

    use(backend)
    for name in ("acquire", "release", "reset", "step"):
        assert callable(getattr(backend, name))


def test_a_slot_steps_as_the_model_does_to_the_bit(model, backend, rng):
    slot, state = backend.acquire(), model.zero_state(1)
    for _ in range(20):
        features = chunk(rng)
        mood, state = model.step(features, state)
        np.testing.assert_array_equal(backend.step([slot], features), mood)


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1], [2, 1, 0]])
def test_streams_in_one_batch_are_as_if_alone(model, rng, order):
    together, alone = OnnxBackend(model), OnnxBackend(model)
    slots = [together.acquire() for _ in range(3)]
    own = [alone.acquire() for _ in range(3)]
    for _ in range(10):
        chunks = [chunk(rng) for _ in range(3)]
        moods = together.step([slots[k] for k in order], stack([chunks[k] for k in order]))
        for row, k in enumerate(order):
            expected = alone.step([own[k]], chunks[k])
            np.testing.assert_allclose(moods[row], expected[0], rtol=0, atol=1e-5)  # contract 1


def test_a_stream_that_is_not_due_keeps_its_memory(model, backend, rng):
    a, b, c = (backend.acquire() for _ in range(3))
    first, second = chunk(rng), chunk(rng)
    backend.step([b], first)
    for _ in range(5):
        backend.step([a, c], chunk(rng, 2))
    _, state = model.step(first, model.zero_state(1))
    expected, _ = model.step(second, state)
    np.testing.assert_array_equal(backend.step([b], second), expected)


def test_a_reset_forgets_one_slot_and_no_other(model, backend, rng):
    a, b = backend.acquire(), backend.acquire()
    heard = [chunk(rng) for _ in range(3)]
    for x in heard[:2]:
        backend.step([a, b], stack([x, x]))
    backend.reset(a)
    moods = backend.step([a, b], stack([heard[2], heard[2]]))
    fresh, _ = model.step(heard[2], model.zero_state(1))
    np.testing.assert_allclose(moods[0], fresh[0], rtol=0, atol=1e-6)
    assert np.abs(moods[1] - fresh[0]).max() > 1e-3


def test_a_slot_that_is_acquired_again_is_fresh(model, backend, rng):
    slot = backend.acquire()
    backend.step([slot], chunk(rng))
    backend.release(slot)
    assert backend.acquire() == slot
    features = chunk(rng)
    fresh, _ = model.step(features, model.zero_state(1))
    np.testing.assert_array_equal(backend.step([slot], features), fresh)


def test_slots_grow_and_nobody_loses_memory(model, backend, rng):
    first = backend.acquire()
    features = chunk(rng)
    backend.step([first], features)
    capacity = backend.capacity
    slots = [backend.acquire() for _ in range(3 * capacity)]
    assert len({first, *slots}) == 3 * capacity + 1
    assert backend.capacity >= 3 * capacity + 1
    _, state = model.step(features, model.zero_state(1))
    expected, _ = model.step(features, state)
    np.testing.assert_array_equal(backend.step([first], features), expected)
    moods = backend.step([slots[-1], slots[0]], chunk(rng, 2))
    assert moods.shape == (2, 6)


def test_released_slots_are_used_before_memory_grows(backend):
    slots = [backend.acquire() for _ in range(backend.capacity)]
    capacity = backend.capacity
    for _ in range(100):
        backend.release(slots.pop())
        slots.append(backend.acquire())
    assert backend.capacity == capacity


def test_moods_are_fresh_arrays(backend, rng):
    slot = backend.acquire()
    first = backend.step([slot], chunk(rng))
    kept = first.copy()
    backend.step([slot], chunk(rng))
    np.testing.assert_array_equal(first, kept)


@pytest.mark.parametrize("slot", [1, -1, 99])
def test_a_slot_that_is_not_acquired_is_refused(backend, rng, slot):
    backend.acquire()
    for use in (backend.reset, backend.release, lambda s: backend.step([s], chunk(rng))):
        with pytest.raises(UsageError, match=f"slot {slot} is not acquired"):
            use(slot)


def test_a_slot_may_stand_once_in_a_batch(backend, rng):
    slot = backend.acquire()
    with pytest.raises(UsageError, match=r"slots \[0, 0\] name one twice"):
        backend.step([slot, slot], chunk(rng, 2))


def test_features_must_fit_the_slots(backend, rng):
    slots = [backend.acquire(), backend.acquire()]
    with pytest.raises(UsageError, match="features have a batch of 3, expected 2 slots"):
        backend.step(slots, chunk(rng, 3))
    with pytest.raises(UsageError, match="expected float32"):
        backend.step(slots, {"features": np.zeros((2, 25, 80))})


def test_a_refused_step_changes_no_memory(model, backend, rng):
    slot = backend.acquire()
    features = chunk(rng)
    backend.step([slot], features)
    with pytest.raises(UsageError):
        backend.step([slot], chunk(rng, 2))
    _, state = model.step(features, model.zero_state(1))
    expected, _ = model.step(features, state)
    np.testing.assert_array_equal(backend.step([slot], features), expected)


def test_a_failing_step_is_a_model_error(tmp_path, capfd):
    path = tmp_path / "touchy.onnx"
    path.write_bytes(touchy().SerializeToString())
    backend = OnnxBackend(load_model(path))
    slot = backend.acquire()
    with pytest.raises(ModelError, match=r"^tiny: a step fails: "):
        backend.step([slot], {"features": np.full((1, 25, 80), 1e6, np.float32)})
    assert backend.step([slot], {"features": np.zeros((1, 25, 80), np.float32)}) == 0.25
    assert capfd.readouterr() == ("", "")


def test_an_unknown_device_is_wrong_usage(model):
    with pytest.raises(UsageError, match="device 'tpu' is unknown: expected one of cpu, cuda"):
        OnnxBackend(model, device="tpu")


def test_a_gpu_that_is_not_there_says_what_to_install(model):
    from streammer.inference.ort import runtime

    onnxruntime = runtime()

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has CUDA")
    with pytest.raises(ModelError, match=r"'cuda' needs .* pip install onnxruntime-gpu$"):
        OnnxBackend(model, device="cuda")


def test_a_gpu_steps_as_the_cpu_does(model, rng):
    from streammer.inference.ort import runtime

    onnxruntime = runtime()

    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        pytest.skip("no CUDA in this ONNX Runtime")
    gpu, cpu = OnnxBackend(model, device="cuda"), OnnxBackend(model)
    slots = [(gpu.acquire(), cpu.acquire()) for _ in range(3)]
    for _ in range(10):
        features = chunk(rng, 3)
        a = gpu.step([s[0] for s in slots], features)
        b = cpu.step([s[1] for s in slots], features)
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5)  # other order of sums


@pytest.mark.skipif(sys.platform == "win32", reason="the home folder is elsewhere")
@pytest.mark.parametrize("writable", [True, False])
def test_onnx_runtime_neither_reports_home_nor_prints(model, tmp_path, writable):
    home = tmp_path if writable else "/proc/self/no-home"
    code = f"from streammer import load_model; load_model({str(model.path)!r})"
    env = {
        k: v for k, v in os.environ.items() if k not in ("XDG_CACHE_HOME", "ORT_DISABLE_TELEMETRY")
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**env, "HOME": str(home)},
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == done.stderr == b""
    assert not [p for p in tmp_path.rglob("*") if "onnx" in p.name.lower()]


def test_a_batch_is_run_in_few_sizes(model, rng, monkeypatch):
    sizes = set()
    run = onnx_backend.run_session

    def counted(session, outputs, feeds, label):
        (size,) = {len(array) for array in feeds.values()}
        sizes.add(size)
        return run(session, outputs, feeds, label)

    monkeypatch.setattr(onnx_backend, "run_session", counted)
    backend = OnnxBackend(model)
    slots = [backend.acquire() for _ in range(70)]
    for n in range(1, 71):
        backend.step(slots[:n], features_of(model, rng, n))
    assert sizes <= set(BUCKETS)
    assert len(BUCKETS) < 9


def test_divided_batches_are_whole_and_waste_little():
    for n in range(1, 300):
        parts = list(divided(n, BUCKETS))
        assert sum(rows for rows, _ in parts) == n
        assert sum(size for _, size in parts) - n <= 3
        assert all(0 < rows <= size and size in BUCKETS for rows, size in parts)


def test_in_one_size_a_slot_is_to_the_bit_the_same_whatever_its_neighbours_are(rng):
    model = load_model("small")
    steps = [features_of(model, rng, 1) for _ in range(5)]
    said = []
    for others in (0, 1, 3, 3):
        backend = OnnxBackend(model, buckets=(4,))
        slots = [backend.acquire() for _ in range(1 + others)]
        order = list(rng.permutation(1 + others))  # the place in the batch is another one too
        moods = []
        for step in steps:
            noise = features_of(model, rng, 1 + others)
            for name, array in noise.items():
                array[order.index(0)] = step[name][0]
            mood = backend.step([slots[k] for k in order], noise)
            moods.append(mood[order.index(0)])
        said.append(np.array(moods))
    for other in said[1:]:
        np.testing.assert_array_equal(other, said[0])


def test_slots_come_and_go_while_others_step(model, rng):
    backend = OnnxBackend(model)
    slots = [backend.acquire() for _ in range(3)]
    twin = OnnxBackend(model)
    twins = [twin.acquire() for _ in range(3)]
    stop = threading.Event()

    def come_and_go():
        while not stop.is_set():
            for slot in [backend.acquire() for _ in range(9)]:
                backend.release(slot)

    guests = [threading.Thread(target=come_and_go) for _ in range(2)]
    for guest in guests:
        guest.start()
    try:
        for _ in range(60):
            features = features_of(model, rng, 3)
            np.testing.assert_array_equal(backend.step(slots, features), twin.step(twins, features))
    finally:
        stop.set()
        for guest in guests:
            guest.join()


def test_memory_does_not_grow_with_the_steps(model, rng):
    backend = OnnxBackend(model)
    slots = [backend.acquire() for _ in range(10)]
    features = features_of(model, rng, 10)

    def steps(n):
        for k in range(n):
            backend.step(slots[: 1 + k % 10], {x: a[: 1 + k % 10] for x, a in features.items()})

    steps(20)
    tracemalloc.start()
    try:
        steps(20)
        before = tracemalloc.get_traced_memory()[0]
        steps(400)
        assert tracemalloc.get_traced_memory()[0] - before < 20_000
    finally:
        tracemalloc.stop()
