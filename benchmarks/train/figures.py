"""What follows from measured seconds. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from webssl_trainer.observe.flops import ADJUSTED, NOMINAL, step_flops, utilisation


def figures(
    seconds: Mapping[str, Sequence[float]], samples: int, whole: float, dropped: float, peak: float
) -> dict[str, float | None]:
    """Ratio of the plain step's time to the own one's, and what the own step does, by medians.

    Args:
        seconds: of each step, `plain` and `own`.
        samples: of a step.
        whole, dropped: FLOP per sample without stochastic depth, and what it saves of them on average.
        peak: FLOP/s of the device, 0 where unknown: then there is no MFU.
    """
    plain, own = (statistics.median(seconds[name]) for name in ("plain", "own"))
    rate = samples / own
    result: dict[str, float | None] = {
        "ratio": round(plain / own, 3),
        "images_per_second": round(rate, 2),
        "plain_images_per_second": round(samples / plain, 2),
    }
    for kind, flops in step_flops(whole, dropped).items():
        result[f"{kind}_tflops"] = round(flops * rate / 1e12, 4)
        result[f"{kind}_mfu"] = round(utilisation(flops, rate, peak), 4) if peak else None
    return result


def table(results: Sequence[Mapping[str, object]]) -> str:
    """One line for each result."""
    lines = []
    for result in results:
        shape, found = result["shape"], result["figures"]
        assert isinstance(shape, Mapping)
        assert isinstance(found, Mapping)
        mfu = [found[f"{kind}_mfu"] for kind in (NOMINAL, ADJUSTED)]
        shares = " ".join("-" if value is None else f"{100 * value:.1f} %" for value in mfu)
        lines.append(
            f"{shape['objective']:5} {shape['size']:5} {found['ratio']:6.2f}x {found['images_per_second']:10.1f} img/s "
            f"{found[f'{NOMINAL}_tflops']:9.3f} TFLOP/s  MFU nominal, adjusted: {shares}"
        )
    return "\n".join(lines) + "\n"
