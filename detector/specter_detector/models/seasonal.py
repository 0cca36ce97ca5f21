"""Learn level, seasons and error band of one series, and forecast them.

Forecast: level + the profile of each period. The profiles are medians over
cycles of the STL or MSTL decomposition; the level is the median of the last day
without its season; the band comes from out-of-sample errors (`calibration`).
With less than two periods of history a period is left out; without any, the
forecast is a level with a wide band.
"""

from dataclasses import dataclass

import numpy as np

from specter_detector.models.arrays import Floats
from specter_detector.models.calibration import Calibration, bin_of, calibrate, rolling_errors
from specter_detector.models.coverage import cycles_seen
from specter_detector.models.decompose import decompose
from specter_detector.models.gaps import fill, trim
from specter_detector.models.phases import phases as phases_of
from specter_detector.models.profile import Profile, phase_median, smooth

HOUR = 3600.0
DAY = 24 * HOUR
TRAIN_SHARE = 0.75
# How far beyond the tail seen in a week the band reaches: 1.5 times for normal errors, whose
# tail in scales is about 3.3, up to twice for heavy ones, which go on where normal ones end.
TAIL_KNOTS = (3.3, 5.0)
TAIL_MARGINS = (1.5, 2.0)
# Errors with a lighter tail (a quantile inside one histogram bucket) need less than the
# threshold, down to this share of it.
LIGHTEST = 0.7
LEVEL_WINDOW = DAY
UNSEASONED_LEVEL_WINDOW = 2 * HOUR
UNSEASONED_WIDENING = 2.0
TAIL_BLOCK = 6 * HOUR
RELATIVE_FLOOR = 1e-3
# Half the band of a series that was 0 all along: nothing tells its scale.
ZERO_FLOOR = 1e-6
MIN_CYCLES = 1.8  # two periods with some holes
MIN_OBSERVATIONS = 24
SMOOTHING = 600.0
SPARSE_SMOOTHING = HOUR
SPARSE_CYCLES = 8


@dataclass(frozen=True, slots=True)
class FitOptions:
    """How to fit.

    Attributes:
        step: seconds between two values of the history.
        periods: seasons to look for, in seconds, ascending; each a multiple of `step`.
        refit_every: seconds for which a level will be used.
        z_threshold: half width of the band in scales of the error, at least.
        tz: the time zone whose day and week the seasons follow.
    """

    step: float
    periods: tuple[float, ...]
    refit_every: float = HOUR
    z_threshold: float = 5.0
    tz: str = "UTC"


@dataclass(frozen=True, slots=True, eq=False)
class Band:
    """The expected value and how far below and above it is still normal (both positive)."""

    yhat: Floats
    below: Floats
    above: Floats


@dataclass(frozen=True, slots=True, eq=False)
class FittedModel:
    """What was learnt of one series; immutable, so that ticks read it while a refit replaces it.

    `fitted_until` is the time of the newest observation used, `cycles` how many
    of the longest modelled period were seen (0 without a season).
    """

    options: FitOptions
    level: float
    profiles: tuple[Profile, ...]
    calibration: Calibration
    floor: float
    cycles: float
    fitted_until: float

    @property
    def periods(self) -> tuple[float, ...]:
        """The modelled periods in seconds."""
        return tuple(profile.deviations.size * self.options.step for profile in self.profiles)

    def predict(self, times: Floats) -> Band:
        """Return the band at Unix `times` (s), which need not lie on the step."""
        phases = phases_of(times, self.options.step, self.options.tz)
        yhat = np.full(times.shape, self.level) + season(self.profiles, phases)
        scale = self.calibration.scale
        where = (
            bin_of(phases, self.profiles[0].deviations.size, scale.size)
            if scale.size > 1
            else np.zeros(times.shape, dtype=np.int64)
        )
        spread = scale[where] * self._widening()
        below = spread * self._half_width(self.calibration.tail_below)
        above = spread * self._half_width(self.calibration.tail_above)
        return Band(yhat, np.maximum(below, self.floor), np.maximum(above, self.floor))

    def _half_width(self, tail: float) -> float:
        """Return the distance to the edge in scales, for a `tail` in scales."""
        threshold = self.options.z_threshold * min(1.0, max(LIGHTEST, tail / TAIL_KNOTS[0]))
        return max(threshold, tail * float(np.interp(tail, TAIL_KNOTS, TAIL_MARGINS)))

    def _widening(self) -> float:
        """Few cycles prove little: twice the band without a season, 1.5 times after two cycles."""
        return UNSEASONED_WIDENING if self.cycles == 0 else 1.0 + 1.0 / self.cycles


def season(profiles: tuple[Profile, ...], phases: Floats) -> Floats:
    """Return the sum of `profiles` at `phases`."""
    total = np.zeros(phases.shape)
    for profile in profiles:
        total += profile.at(phases)
    return total


def fit(times: Floats, values: Floats, options: FitOptions) -> FittedModel | None:
    """Learn from history.

    Args:
        times: Unix seconds, `options.step` apart, all multiples of it.
        values: as long as `times`; NaN or infinite where nothing is known.
        options: see `FitOptions`.

    Returns:
        The model, or None when there is too little history to say anything.
    """
    times, values = trim(times, values)
    if np.count_nonzero(np.isfinite(values)) < MIN_OBSERVATIONS:
        return None
    phases = phases_of(times, options.step, options.tz)
    # A constant has no season, and a decomposition would leave rounding errors of one.
    constant = np.nanmin(values) == np.nanmax(values)
    periods = () if constant else usable_periods(values, phases, options)
    profiles = learn_profiles(values, phases, periods, options.step)
    window = int((LEVEL_WINDOW if periods else UNSEASONED_LEVEL_WINDOW) / options.step)
    flat = values - season(profiles, phases)
    recent = flat[-max(window, 1) :]
    floor = _floor(values)
    return FittedModel(
        options=options,
        level=float(np.nanmedian(recent)),
        profiles=profiles,
        calibration=_calibration(values, phases, periods, options, floor),
        floor=floor,
        cycles=cycles_seen(values, phases, periods[-1]) if periods else 0.0,
        fitted_until=float(times[-1]),
    )


def _floor(values: Floats) -> float:
    """Return the least half width of the band, in proportion to the usual magnitude of `values`.

    The largest magnitude where most values are 0. The unit must not matter: bytes
    or terabytes, the scores are the same.
    """
    magnitude = np.abs(values[np.isfinite(values)])
    usual = float(np.median(magnitude)) or float(np.max(magnitude))
    return max(RELATIVE_FLOOR * usual, float(np.finfo(np.float64).tiny)) if usual else ZERO_FLOOR


def usable_periods(values: Floats, phases: Floats, options: FitOptions) -> tuple[int, ...]:
    """Return the periods (steps) that fit twice into the history and were observed about twice.

    A period that is not a multiple of the step has no phases and is left out.
    """
    steps = tuple(round(period / options.step) for period in options.periods if period % options.step == 0)
    return tuple(
        period
        for period in steps
        if values.size > 2 * period and cycles_seen(values, phases, period) >= MIN_CYCLES
    )


def learn_profiles(
    values: Floats, phases: Floats, periods: tuple[int, ...], step: float
) -> tuple[Profile, ...]:
    """Return one profile a period, shortest first; together they are the season."""
    if not periods:
        return ()
    filled = fill(values, phases, periods[0])
    fits = tuple(period for period in periods if values.size > 2 * period)
    parts = decompose(filled, fits)
    profiles: list[Profile] = []
    rest = values - parts.trend
    for index, period in enumerate(periods):
        others = sum(parts.seasons[index + 1 :], np.zeros(values.size))
        cycles = values.size / period
        width = SMOOTHING if cycles >= SPARSE_CYCLES else SPARSE_SMOOTHING
        deviations = smooth(phase_median(rest - others, phases, period), int(width / step))
        profile = Profile(deviations - np.median(deviations))
        profiles.append(profile)
        rest = rest - profile.at(phases)
    return tuple(profiles)


def _calibration(
    values: Floats, phases: Floats, periods: tuple[int, ...], options: FitOptions, floor: float
) -> Calibration:
    """Fit the older part as `fit` does and measure the forecast on the newer part."""
    split = int(values.size * TRAIN_SHARE)
    profiles = learn_profiles(values[:split], phases[:split], periods, options.step)
    window = int((LEVEL_WINDOW if periods else UNSEASONED_LEVEL_WINDOW) / options.step)
    if not periods:
        split = min(split, MIN_OBSERVATIONS // 2)
    errors = rolling_errors(
        values - season(profiles, phases),
        start=split,
        window=max(window, 1),
        every=max(1, int(options.refit_every / options.step)),
    )
    return calibrate(
        errors,
        phases[split:],
        periods[0] if periods else None,
        block=max(1, int(TAIL_BLOCK / options.step)),
        floor=floor / options.z_threshold,
    )
