"""What an image costs with one worker, so that on a machine of two cores the other one is the server's."""

from __future__ import annotations

import sys

from benchmarks.data.running import Arms, Figures, further, middle

ALONE = ("memory", "apart", "kept")


def one_worker(arms: Arms, samples: int) -> dict[str, Figures]:
    """Figures of each arm without its start, with the crops of DINO and of MAE."""
    found: dict[str, Figures] = {}
    for crops in ("dino", "mae"):
        for arm in ALONE:
            one = arms.run(arm, crops, "same", samples)
            found[f"{crops} {arm}"] = one | further(arms, arm, crops, samples, one)
            sys.stderr.write(f"one worker, {crops} {arm}: {found[f'{crops} {arm}']}\n")
    return found


def summarised(rounds: list[dict[str, Figures]]) -> dict[str, dict[str, float]]:
    """Medians over rounds of what an image costs in ms, and of the share of that beyond decoding and crops."""
    summary = {}
    for name in rounds[0]:
        told = {}
        memory = f"{name.split()[0]} memory"
        for figure in ("further_ms", "further_clock_ms"):
            told[figure] = middle([one[name][figure] for one in rounds])
            beyond = [1 - one[memory][figure] / one[name][figure] for one in rounds]
            told[f"share beyond decode and crops, {figure}"] = middle(beyond)
        summary[name] = told
    return summary
