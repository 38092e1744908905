"""How each row of the table of faults is caused: on the way, by rules of the proxy, or in the data at rest."""

from __future__ import annotations

import threading
from collections.abc import Callable

from webssl_trainer.data import OpenData

from tests.contract.trainer import fault_proxy as spoil
from tests.contract.trainer.fault_proxy import Handler, Spoil, some
from tests.contract.trainer.faulty_world import NEWER_KEYS, PER_SHARD, VICTIM, Sample, World, picture

# -- faults of the way: rules of the proxy ---------------------------------------------------------------------------


def killed(world: World) -> spoil.Rule:
    """The server dies in the middle of the third read, and is started again."""
    seen = [0]

    def rule(handler: Handler) -> Spoil | None:
        seen[0] += ".tar" in handler.path
        if seen[0] == 3:
            seen[0] += 1
            world.server.kill()
            threading.Timer(0.5, world.server.start).start()
        return None

    return rule


def expiring(world: World) -> spoil.Rule:
    """From the third read on the old keys are refused as expired; the keys file has newer ones then."""
    world.write_keys(world.server.access.access_key, world.server.access.secret_key)
    old, seen = f"Credential={world.server.access.access_key}/", [0]

    def rule(handler: Handler) -> Spoil | None:
        seen[0] += ".tar" in handler.path
        if seen[0] < 3 or old not in handler.headers.get("Authorization", ""):
            return None
        world.write_keys(*NEWER_KEYS)
        return spoil.error(400, "ExpiredToken")

    return rule


ON_THE_WAY: dict[str, Callable[[World], spoil.Rule]] = {
    "flipped bytes on the way": lambda _: some(spoil.flipped),
    "404 that passes": lambda _: some(spoil.error(404, "NoSuchKey"), times=1),
    "keys that expire": expiring,
    "Content-Length too large": lambda _: some(spoil.declared_too_large),
    "Content-Length too small": lambda _: some(spoil.declared_too_small),
    "429": lambda _: some(spoil.error(429, "TooManyRequests")),
    "503 SlowDown": lambda _: some(spoil.error(503, "SlowDown")),
    "500": lambda _: some(spoil.error(500, "InternalError")),
    "connection reset mid-body": lambda _: some(spoil.reset_mid_body),
    "stall of 30 s": lambda _: some(spoil.stall(300.0), times=1),
    "server killed and restarted": killed,
}
FOREVER: dict[str, Callable[[World], spoil.Rule]] = {
    "403 for every shard": lambda _: some(spoil.error(403, "AccessDenied"), times=None),
    "keys that are wrong": lambda _: some(spoil.error(403, "InvalidAccessKeyId"), skip=2, times=None),
    "keys that expire for good": lambda _: some(spoil.error(400, "ExpiredToken"), skip=2, times=None),
    "server gone for good": lambda _: some(lambda handler, _: handler.reset(), skip=2, times=None),
}
MENDS = {
    "403 for every shard": "access denied.*secretRef",
    "keys that are wrong": "access denied.*secretRef",
    "keys that expire for good": "no success in.*ExpiredToken|no success in.*because",
    "server gone for good": "no success in.*check that the storage server is up",
    "too many bad samples": "of 24 samples are broken.*maxBadFraction",
}

# -- faults of the data: the samples they hit, and what is done to the shards after they were indexed ------------------


def cut(world: World, data: OpenData) -> set[int]:
    """Shard 1 ends amid its fourth sample."""
    ref = data.index.locate(VICTIM)
    world.past.put(ref.shard, world.past.read(ref.shard)[: ref.offset + 20])
    return set(range(VICTIM, 2 * PER_SHARD))


def flip_one(world: World, data: OpenData) -> set[int]:
    """One bit of the image."""
    ref = data.index.locate(VICTIM)
    content = bytearray(world.past.read(ref.shard))
    content[ref.offset + 100] ^= 1
    world.past.put(ref.shard, bytes(content))
    return {VICTIM}


def remove(world: World, data: OpenData) -> set[int]:
    """Shard 1 is gone."""
    world.past.delete(data.index.locate(VICTIM).shard)
    return set(range(PER_SHARD, 2 * PER_SHARD))


def deny(world: World, data: OpenData) -> set[int]:
    """Shard 1 may not be read."""
    path = data.index.locate(VICTIM).shard.removeprefix("s3:/")
    world.proxy.rule = some(spoil.error(403, "AccessDenied"), named=path, times=None)
    return set(range(PER_SHARD, 2 * PER_SHARD))


def indexed_like_this(_: World, __: OpenData) -> set[int]:
    """The shard is as it was made."""
    return {VICTIM}


AT_REST: dict[str, Callable[[World, OpenData], set[int]]] = {
    "truncated tar": cut,
    "flipped bytes at rest": flip_one,
    "zero-length member": indexed_like_this,
    "missing caption": indexed_like_this,
    "missing shard": remove,
    "403 for a shard": deny,
}
CHANGED: dict[str, dict[int, Sample]] = {
    "zero-length member": {VICTIM: (b"", b"a caption")},
    "missing caption": {VICTIM: (picture(VICTIM), None)},
}
