"""The CUDA kernels of `events` against the NumPy definition and the compiled CPU kernel."""

import numpy as np
import pytest

from gossamer.kernels import backend, random
from gossamer.kernels.events import Events, EventStream, gpu, reference

KEY = random.make_key(11)
RATES = np.array([1.0, 0.0, 3.0, 1.0, 0.5]), np.array([0.3, 0.0, 2.0])


@pytest.fixture
def drawn(cuda):
    """Events of a stream, as `EventStream.take` returns them, made by the CUDA kernels."""
    opened = cuda(gpu.SOURCE)

    def take(stream, start, time, count):
        made = [opened.asarray(np.full(count, 77, dtype)) for dtype in (np.float64, np.uint8, np.int32)]
        table = stream._table
        gpu.EventKernels(opened).fill_events(
            stream.key,
            start,
            time,
            stream.total_rate,
            stream.n_nodes,
            table.threshold,
            table.alias,
            table.bits,
            *made,
        )
        return Events(*map(opened.asnumpy, made))

    return take


def assert_same_bits(found, expected):
    for part, other in zip(found, expected, strict=True):
        assert part.dtype == other.dtype
        assert part.tobytes() == other.tobytes()


@pytest.mark.parametrize("count", [0, 1, 255, 257, 2047, 2048, 2049, 9000])  # around a block and a tile
def test_stream_equals_the_cpu_and_the_reference(drawn, count):
    stream = EventStream(*RATES, KEY)
    made = drawn(stream, 0, 0.0, count)
    assert_same_bits(made, stream.take(0, 0.0, count))
    time, kind, index = reference.poisson_events(stream._table, stream.total_rate, 5, KEY, count)
    assert np.array_equal(made.kind, kind)
    assert np.array_equal(made.index, index)
    np.testing.assert_allclose(made.time, time, rtol=1e-13)


def test_late_events_and_any_chunks(drawn):
    stream = EventStream(*RATES, KEY)
    start, time = 2**32 - 700, 1234.5
    whole = stream.take(start, time, 3000)
    first = drawn(stream, start, time, 1234)
    rest = drawn(stream, start + 1234, first.time[-1], 3000 - 1234)
    assert_same_bits(map(np.concatenate, zip(first, rest, strict=True)), whole)


def test_one_clock_and_many(drawn):
    assert_same_bits(
        drawn(EventStream([2.0], [], KEY), 5, 0.0, 300), EventStream([2.0], [], KEY).take(5, 0.0, 300)
    )
    many = EventStream(np.arange(5000.0), np.ones(7000), KEY)
    assert_same_bits(drawn(many, 0, 0.0, 3000), many.take(0, 0.0, 3000))


def test_threads_fill_several_entries_of_a_long_array(drawn, monkeypatch):
    monkeypatch.setattr(backend, "MAX_GRID", 2)
    stream = EventStream(*RATES, KEY)
    assert_same_bits(drawn(stream, 0, 0.0, 3000), stream.take(0, 0.0, 3000))


def test_out_is_filled_where_it_is():
    stream = EventStream(*RATES, KEY)
    out = Events(np.zeros(50), np.zeros(50, np.uint8), np.zeros(50, np.int32))
    assert stream.take(3, 1.0, 50, out=out) is out
    assert_same_bits(out, stream.take(3, 1.0, 50))


@pytest.mark.parametrize(
    ("out", "error", "match"),
    [
        (Events(np.zeros(5), np.zeros(5, np.uint8), np.zeros(5)), ValueError, r"out\.index must be .* int32"),
        (Events(np.zeros(4), np.zeros(5, np.uint8), np.zeros(5, np.int32)), ValueError, "out.time"),
        ((np.zeros(5), np.zeros(5, np.uint8), np.zeros(5, np.int32)), TypeError, "must be an Events"),
        (Events(np.zeros(5), np.zeros(5, np.uint8), None), TypeError, "must be an Events of three arrays"),
    ],
)
def test_out_that_does_not_fit_is_refused(out, error, match):
    with pytest.raises(error, match=match):
        EventStream(*RATES, KEY).take(0, 0.0, 5, out=out)


@pytest.mark.gpu
def test_streams_fill_arrays_on_the_device():
    import cupy

    stream = EventStream(*RATES, KEY)
    out = Events(cupy.zeros(999), cupy.zeros(999, cupy.uint8), cupy.zeros(999, cupy.int32))
    assert stream.take(0, 0.0, 999, out=out) is out
    assert_same_bits(map(cupy.asnumpy, out), stream.take(0, 0.0, 999))
