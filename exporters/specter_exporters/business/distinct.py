"""How many different users: exact while they are few, then HyperLogLog in fixed memory."""

from array import array
from typing import Protocol

EXACT_UP_TO = 10_000
LOG_REGISTERS = 14
"""2 to the power of this registers: 16 KiB, a standard error of 1.04 / sqrt(2^14) = 0.8 %."""


class Sketch(Protocol):
    """What is used of `datasketches.hll_sketch`."""

    def update(self, datum: int) -> None:
        """Count `datum`, once however often it comes."""

    def get_estimate(self) -> float:
        """Return about how many there have been."""

    def serialize_updatable(self) -> bytes:
        """Return the registers."""


def new_sketch(log_registers: int) -> Sketch:
    """Return an empty HyperLogLog; one byte a register, the form that is fastest to update."""
    # numpy is not for who only sends events.
    from datasketches import hll_sketch, tgt_hll_type  # noqa: PLC0415

    sketch: Sketch = hll_sketch(log_registers, tgt_hll_type.HLL_8)
    return sketch


class Distinct:
    """Counts different hashes.

    Args:
        exact_up_to: how many are kept one by one; more are estimated.
        log_registers: of the sketch, see `LOG_REGISTERS`.
    """

    def __init__(self, exact_up_to: int = EXACT_UP_TO, log_registers: int = LOG_REGISTERS) -> None:
        self._limit = exact_up_to
        self._log_registers = log_registers
        self._exact: set[int] = set()
        self._sketch: Sketch | None = None

    def add(self, hashed: int) -> None:
        """Count the user with this 64-bit hash."""
        if self._sketch is not None:
            self._sketch.update(_signed(hashed))
            return
        self._exact.add(hashed)
        if len(self._exact) > self._limit:
            self._sketch = new_sketch(self._log_registers)
            for one in self._exact:
                self._sketch.update(_signed(one))
            self._exact = set()

    @property
    def exact(self) -> bool:
        """Whether `count` is exact."""
        return self._sketch is None

    @property
    def count(self) -> float:
        """How many there have been: a whole number; past the limit the nearest to the estimate."""
        return float(len(self._exact) if self._sketch is None else round(self._sketch.get_estimate()))

    def clear(self) -> None:
        """Begin anew."""
        self._exact, self._sketch = set(), None

    def dump(self) -> tuple[str, bytes | frozenset[int]]:
        """Return the form, `exact` or `sketch`, and the content, hashes or bytes."""
        if self._sketch is None:
            return "exact", frozenset(self._exact)
        return "sketch", self._sketch.serialize_updatable()

    def load(self, form: str, content: bytes) -> None:
        """Take over what `dump` returned; hashes as 64-bit numbers of this machine, one behind the other.

        Raises:
            ValueError: it is not that.
        """
        if form == "sketch":
            from datasketches import hll_sketch  # noqa: PLC0415  (see `new_sketch`)

            self._exact, self._sketch = set(), hll_sketch.deserialize(content)
            return
        self.clear()
        for one in array("Q", content):
            self.add(one)


def _signed(hashed: int) -> int:
    """Return the 64 bits as the sketch takes them."""
    return hashed - (1 << 64) if hashed >= 1 << 63 else hashed
