"""The pass over a range of shards in this process; an Indexed Job runs one such process for each range."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from webssl_trainer.curation.counting import Count, check_bad
from webssl_trainer.curation.parts import PartFacts, Parts
from webssl_trainer.curation.scoring import ShardScorer

_LOOKS = 16


def score_shards(
    parts: Parts,
    shards: Sequence[int],
    threads: int,
    max_pixels: int,
    max_bad_share: float,
    count: Count,
    stop: Callable[[], bool] = lambda: False,
) -> bool:
    """Score the shards that have no part yet; False when it was stopped before the end.

    Args:
        parts: where parts go, and what scores.
        shards: numbers of the shards.
        threads: images decoded and scored at the same time.
        max_pixels, max_bad_share: `spec.data.maxPixels`, `spec.maxBadShare`.
        count: is told of every part.
        stop: asked between batches of images.

    Raises:
        UserError: more samples of these shards are bad than may be in the whole data set.
    """
    open_shards = []
    for shard, facts in known_parts(parts, shards):
        if facts is None:
            open_shards.append(shard)
        else:
            count.add(facts, fresh=False)
    count.start()
    with ThreadPoolExecutor(max_workers=max(1, threads), thread_name_prefix="score") as pool:
        scorer = ShardScorer(parts, pool, max_pixels, stop)
        for shard in open_shards:
            facts = None if stop() else scorer.run(shard)
            if facts is None:
                return False
            count.add(facts, fresh=True)
            check_bad(count.failures, len(parts.index), max_bad_share)
    return True


def known_parts(parts: Parts, shards: Sequence[int]) -> Iterator[tuple[int, PartFacts | None]]:
    """Shards in order, each with the facts of its part; None where it is to be scored (again)."""

    def known(shard: int) -> PartFacts | None:
        facts = parts.facts(shard)
        return facts if facts is not None and facts.settled else None

    with ThreadPoolExecutor(max_workers=_LOOKS, thread_name_prefix="parts") as pool:
        yield from zip(shards, pool.map(known, shards), strict=True)
