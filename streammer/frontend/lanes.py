"""Float32 side by side in numba: the operations of the front end's inner loops, one vector wide.

Each operation works on one float32 or on 4 or 16 in a row, as told by `like`, any value of the
wanted type. It is the IEEE operation on every lane, nothing is fused or reordered, so a result
does not depend on the width it was computed with. LLVM splits wide values where the processor has
narrower registers.

Plain loops would do the same sums, but LLVM guards every inner loop against overlapping arrays and
takes a slow path for what does not fill a register; with 16 frames that costs more than the sums.
And numba types each + by itself: written out as its code, the sums would take four times as long
to compile.

numba's cache looks only at the file of the cached function: touch `kernels.py` when editing here.
"""

import inspect
from collections.abc import Callable
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic, models, register_model

from streammer.frontend.butterflies import dft, mirror_power, twiddled

__all__ = [
    "add_bins",
    "add_frames",
    "bits_of",
    "butterfly2",
    "butterfly3",
    "butterfly4",
    "butterfly5",
    "float_of",
    "mirror_bins",
    "mirror_ends",
    "mirror_frames",
    "root",
    "store_sum4",
    "sum4",
    "transpose16",
    "zero4",
    "zero16",
]

_F32 = ir.FloatType()
_I32 = ir.IntType(32)
_I64 = ir.IntType(64)


class Lanes(types.Type):
    """Type of `width` float32 that live and die inside a kernel."""

    def __init__(self, width: int) -> None:
        self.width = width
        super().__init__(name=f"Lanes({width})")  # type: ignore[no-untyped-call,unused-ignore]


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: Any) -> None:
        vector = ir.VectorType(_F32, fe_type.width)
        super().__init__(dmm, fe_type, vector)  # type: ignore[no-untyped-call,unused-ignore]


LANES_4 = Lanes(4)
LANES_16 = Lanes(16)


class _Value:
    """An LLVM value of one or more float32, with Python's notation for arithmetic."""

    def __init__(self, builder: ir.IRBuilder, value: Any) -> None:
        self.builder = builder
        self.value = value

    def __add__(self, other: "_Value") -> "_Value":
        return _Value(self.builder, self.builder.fadd(self.value, other.value))

    def __sub__(self, other: "_Value") -> "_Value":
        return _Value(self.builder, self.builder.fsub(self.value, other.value))

    def __mul__(self, other: "_Value") -> "_Value":
        return _Value(self.builder, self.builder.fmul(self.value, other.value))

    def __rmul__(self, factor: float) -> "_Value":
        t = self.value.type
        constant = ir.Constant(t, [factor] * t.count if isinstance(t, ir.VectorType) else factor)
        return _Value(self.builder, self.builder.fmul(constant, self.value))

    def flipped(self) -> "_Value":
        mask = list(range(self.value.type.count))[::-1]
        return _Value(self.builder, _shuffle(self.builder, self.value, self.value, mask))


class _Array:
    """A float32 array inside an operation, accessed without checks, any width at a time."""

    def __init__(self, context: Any, builder: ir.IRBuilder, numba_type: Any, value: Any) -> None:
        self.builder = builder
        self.data = context.make_array(numba_type)(context, builder, value).data

    def _at(self, index: Any, t: Any) -> Any:
        return self.builder.bitcast(self.builder.gep(self.data, [index]), t.as_pointer())

    def load(self, index: Any, t: Any) -> _Value:
        return _Value(self.builder, self.builder.load(self._at(index, t), align=4))

    def splat(self, index: Any, t: Any) -> _Value:
        one = self.load(index, _F32)
        if t == _F32:
            return one
        undefined = ir.Constant(t, ir.Undefined)
        first = self.builder.insert_element(undefined, one.value, _I32(0))
        return _Value(self.builder, _shuffle(self.builder, first, undefined, [0] * t.count))

    def store(self, index: Any, value: _Value) -> None:
        self.builder.store(value.value, self._at(index, value.value.type), align=4)


def _shuffle(builder: ir.IRBuilder, a: Any, b: Any, mask: list[int]) -> Any:
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(_I32, len(mask)), mask))


def _operation(result: Any, arguments: str) -> Callable[[Callable[..., Any]], Any]:
    """Make a numba operation of a function that emits LLVM code.

    `arguments` has a letter for each: a (float32 array), i (index), v (value), l (like). The
    function is called with the builder, the LLVM type of the last value or like, and one argument
    each: an `_Array`, an LLVM integer, a `_Value`; nothing for a like. `result` is the numba type,
    or None for the type of the last value or like.
    """

    def decorate(emit: Callable[..., Any]) -> Any:
        def typing(typingctx: Any, *types_: Any) -> Any:
            wanted = [types.intp if a == "i" else t for a, t in zip(arguments, types_, strict=True)]
            last = wanted[max(arguments.rfind("v"), arguments.rfind("l"))]

            def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
                given: list[Any] = []
                for a, t, x in zip(arguments, sig.args, args, strict=True):
                    if a == "a":
                        given.append(_Array(context, builder, t, x))
                    elif a != "l":
                        given.append(_Value(builder, x) if a == "v" else x)
                t = _F32 if last == types.intp else context.get_value_type(last)
                out = emit(builder, t, *given)
                return context.get_dummy_value() if out is None else out.value

            return (last if result is None else result)(*wanted), codegen

        # numba asks for the number of arguments by this
        names = ["typingctx", *(f"x{k}" for k in range(len(arguments)))]
        positional = inspect.Parameter.POSITIONAL_OR_KEYWORD
        parameters = [inspect.Parameter(name, positional) for name in names]
        typing.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        typing.__name__ = emit.__name__
        typing.__doc__ = emit.__doc__
        return intrinsic(typing)

    return decorate


def _zero(lanes: Lanes) -> Any:
    def zero(typingctx: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return ir.Constant(ir.VectorType(_F32, lanes.width), [0.0] * lanes.width)

        return lanes(), codegen

    return intrinsic(zero)


zero4 = _zero(LANES_4)
zero16 = _zero(LANES_16)


def _butterfly(radix: int) -> Any:
    @_operation(types.void, "aiiiiiail")
    def butterfly(b: Any, t: Any, work: Any, x: Any, y: Any, plane: Any, step: Any, u: Any, tw: Any,
                  at: Any) -> None:  # fmt: skip
        """Transform `radix` points, `step` apart from x on, to points u apart from y on.

        Imaginary parts lie `plane` behind the real ones; twiddles start at ``tw[at]``.
        """
        points = []
        for k in range(radix):
            i = b.add(x, b.mul(step, _I64(k)))
            points.append((work.load(i, t), work.load(b.add(i, plane), t)))
        for k, z in enumerate(dft(points)):
            if k:
                w = [tw.splat(b.add(at, _I64(2 * (k - 1) + c)), t) for c in (0, 1)]
                z = twiddled(z, (w[0], w[1]))
            o = b.add(y, b.mul(u, _I64(k)))
            work.store(o, z[0])
            work.store(b.add(o, plane), z[1])

    return butterfly


butterfly2 = _butterfly(2)
butterfly3 = _butterfly(3)
butterfly4 = _butterfly(4)
butterfly5 = _butterfly(5)


def _mirror(*, across_bins: bool) -> Any:
    @_operation(types.void, "aiiiiiaiil")
    def mirror(b: Any, t: Any, work: Any, lo: Any, hi: Any, plane: Any, p_lo: Any, p_hi: Any,
               tw: Any, wr: Any, wi: Any) -> None:  # fmt: skip
        """Put the power of bins k, n - k to `p_lo`, `p_hi`, from points k, n - k at `lo`, `hi`."""
        z = work.load(lo, t), work.load(b.add(lo, plane), t)
        y = work.load(hi, t), work.load(b.add(hi, plane), t)
        if across_bins:
            y = y[0].flipped(), y[1].flipped()
            w = tw.load(wr, t), tw.load(wi, t)
        else:
            w = tw.splat(wr, t), tw.splat(wi, t)
        low, high = mirror_power(z, y, w)
        work.store(p_lo, low)
        work.store(p_hi, high.flipped() if across_bins else high)

    return mirror


# Sixteen lanes are one bin of sixteen frames, or bins k to k + 15 of one frame.
mirror_frames = _mirror(across_bins=False)
mirror_bins = _mirror(across_bins=True)


@_operation(types.void, "aiiiil")
def mirror_ends(b: Any, t: Any, work: Any, z: Any, plane: Any, p_lo: Any, p_hi: Any) -> None:
    """Put the power of bins 0 and n to `p_lo` and `p_hi`, from point 0 at `z`."""
    re, im = work.load(z, t), work.load(b.add(z, plane), t)
    for at, x in ((p_lo, 2.0 * (re + im)), (p_hi, 2.0 * (re - im))):
        work.store(at, x * x)


@_operation(types.void, "ail")
def root(b: Any, t: Any, work: Any, at: Any) -> None:
    """Replace by the square root, correctly rounded."""
    name = f"llvm.sqrt.v{t.count}f32"
    function = b.module.globals.get(name) or ir.Function(b.module, ir.FunctionType(t, [t]), name)
    work.store(at, _Value(b, b.call(function, [work.load(at, t).value])))


@_operation(None, "vaiai")
def add_frames(b: Any, t: Any, total: Any, weights: Any, w: Any, work: Any, at: Any) -> Any:
    """Return the total plus one weight times one bin of sixteen frames."""
    return total + weights.splat(w, t) * work.load(at, t)


@_operation(None, "vaiai")
def add_bins(b: Any, t: Any, total: Any, weights: Any, w: Any, work: Any, at: Any) -> Any:
    """Return the totals plus four weights times four bins of one frame."""
    return total + weights.load(w, t) * work.load(at, t)


@_operation(types.void, "aivvvv")
def store_sum4(b: Any, t: Any, work: Any, at: Any, v0: Any, v1: Any, v2: Any, v3: Any) -> None:
    """Store (v0 + v1) + (v2 + v3)."""
    work.store(at, (v0 + v1) + (v2 + v3))


@_operation(types.float32, "v")
def sum4(b: Any, t: Any, v: Any) -> Any:
    """Return (v[0] + v[1]) + (v[2] + v[3])."""
    e = [_Value(b, b.extract_element(v.value, _I32(k))) for k in range(4)]
    return (e[0] + e[1]) + (e[2] + e[3])


@_operation(types.void, "aiiiaiaiil")
def transpose16(b: Any, t: Any, x: Any, at: Any, stride: Any, rows: Any, window: Any, k: Any,
                work: Any, even: Any, odd: Any) -> None:  # fmt: skip
    """Multiply sixteen samples of sixteen frames by the window and turn frames into lanes.

    Sample j of lane r, ``x[at + min(r, rows - 1) * stride + k + j] * window[k + j]``, goes to row
    j // 2 of 16 lanes, from `even` on in work when j is even, from `odd` on when j is odd.
    """
    w = window.load(k, t)
    last = b.sub(rows, _I64(1))
    lines = []
    for r in range(16):
        frame = b.select(b.icmp_signed("<", _I64(r), last), _I64(r), last)
        i = b.add(b.add(at, k), b.mul(frame, stride))
        lines.append((x.load(i, t) * w).value)
    # Four rounds; each interleaves line i with line i + 8, which rotates the bits of the 8-bit
    # index (line, lane) by one. After four, lines are lanes.
    low = [v for i in range(8) for v in (i, 16 + i)]
    high = [v for i in range(8, 16) for v in (i, 16 + i)]
    for _ in range(4):
        lines = [
            _shuffle(b, lines[i // 2], lines[i // 2 + 8], high if i % 2 else low) for i in range(16)
        ]
    for j, line in enumerate(lines):
        work.store(b.add(odd if j % 2 else even, _I64(j // 2 * 16)), _Value(b, line))


def _reinterpreted(source: Any, target: Any) -> Any:
    def reinterpreted(typingctx: Any, x: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return builder.bitcast(args[0], context.get_value_type(target))

        return target(source), codegen

    return intrinsic(reinterpreted)


bits_of = _reinterpreted(types.float32, types.int32)
float_of = _reinterpreted(types.int32, types.float32)
