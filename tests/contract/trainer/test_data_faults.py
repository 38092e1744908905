"""Every row of the table of faults, caused on purpose between the loader and a real S3 server."""

from __future__ import annotations

import io
import tarfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from webssl_api import exit_codes
from webssl_trainer.data import (
    BatchPlan,
    BrokenReport,
    CropSpec,
    Loader,
    OpenData,
    Source,
    load_data,
    prepare_data,
)
from webssl_trainer.data.faults import FAULTS, READ_AGAIN, Fault, Outcome
from webssl_trainer.loop.exits import exit_code_of
from webssl_trainer.storage import RETRY_CAUSES, FsspecStorage, RetryPolicy, StorageOptions

from tests.contract.trainer import fault_proxy as spoil
from tests.contract.trainer.fault_proxy import FaultProxy, Handler, Spoil, fault_proxy, some
from tests.contract.trainer.s3_server import S3Server

SHARDS, PER_SHARD, STEPS = 5, 8, 3
PLAN = BatchPlan(global_batch=24, group_size=1, micro_batch=8)
CROPS = CropSpec(global_size=8, n_global=1, n_local=0, photometric_global=())
NEWER_KEYS = ("webssltests2", "another-non-secret")
VICTIM = 11
"""Number of the sample that a fault of one sample hits; it lies in shard 1."""
Sample = tuple[bytes, bytes | None]


def picture(number: int) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(number).integers(0, 255, (24, 24, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def shard_of(samples: dict[int, Sample]) -> bytes:
    """A tar of images and captions by number."""
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as tar:
        for number, (image, caption) in samples.items():
            for ext, data in (("png", image), ("txt", caption)):
                if data is not None:
                    info = tarfile.TarInfo(f"{number:05d}.{ext}")
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))
    return sink.getvalue()


@dataclass
class World:
    """The server, the proxy before it, and a client that goes past the proxy."""

    server: S3Server
    proxy: FaultProxy
    direct: FsspecStorage
    keys_file: Path

    def client(self, patience: float = 120.0) -> FsspecStorage:
        """A new client that goes through the proxy; the first use of one takes a second."""
        patient = RetryPolicy(patience, 0.02, 0.2)
        return FsspecStorage(
            StorageOptions(endpoint=self.proxy.url, region="us-east-1", read_timeout=2.0, retry=patient)
        )

    def open_set(self, name: str, changed: dict[int, Sample]) -> OpenData:
        """Forty images in five shards, some of them changed, indexed."""
        for shard in range(SHARDS):
            numbers = range(shard * PER_SHARD, (shard + 1) * PER_SHARD)
            samples = {n: changed.get(n, (picture(n), b"a caption")) for n in numbers}
            self.direct.put(self.shard(name, shard), shard_of(samples))
        source = Source(f"s3://data/{name}/{{000000..{SHARDS - 1:06d}}}.tar")
        folder = f"s3://data/run-{name}"
        return load_data(self.direct, folder, prepare_data(self.direct, [source], folder), seed=7)

    @staticmethod
    def shard(name: str, number: int) -> str:
        return f"s3://data/{name}/{number:06d}.tar"

    def write_keys(self, access: str, secret: str) -> None:
        self.keys_file.write_text(
            f"[default]\naws_access_key_id = {access}\naws_secret_access_key = {secret}\n"
        )


@dataclass
class Seen:
    """What a loader handed out."""

    ids: dict[int, str] = field(default_factory=dict)
    stand_ins: set[int] = field(default_factory=set)
    reports: list[BrokenReport] = field(default_factory=list)
    read_again: int = 0


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("s3")
    server = S3Server(folder, "data", [NEWER_KEYS])
    keys_file = folder / "keys"
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL", "AWS_PROFILE"):
            patch.delenv(name, raising=False)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("AWS_CONFIG_FILE", "/nonexistent")
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(keys_file))
        try:
            server.start()
            with fault_proxy(server.access.endpoint) as proxy:
                patient = RetryPolicy(120.0, 0.05, 0.5)
                direct = FsspecStorage(
                    StorageOptions(endpoint=server.access.endpoint, region="us-east-1", retry=patient)
                )
                made = World(server, proxy, direct, keys_file)
                made.write_keys(server.access.access_key, server.access.secret_key)
                yield made
        finally:
            server.kill()


def see(
    storage: FsspecStorage,
    data: OpenData,
    processes: int = 1,
    extras: tuple[str, ...] = (),
    most: float = 1.0,
    keep: int = 0,
) -> Seen:
    """What the loaders of all processes hand out together."""
    seen = Seen()
    for rank in range(processes):
        with Loader(storage=storage, index=data.index, order=data.order, plan=PLAN, crops=CROPS, rank=rank,
                    world=processes, seed=1, workers=2, steps=STEPS, max_bad_fraction=most, extras=extras,
                    keep_bytes=keep) as loader:  # fmt: skip
            for batch in (batch for step in loader for batch in step.batches):
                seen.ids.update(zip(batch.positions.tolist(), batch.sample_ids, strict=True))
                seen.stand_ins.update(batch.stand_ins)
                seen.reports.extend(batch.broken)
                seen.read_again += batch.read_again
    return seen


@pytest.fixture(scope="module")
def whole(world: World) -> OpenData:
    return world.open_set("whole", {})


@pytest.fixture(scope="module")
def undisturbed(world: World, whole: OpenData) -> Seen:
    seen = see(world.direct, whole)
    assert not seen.reports
    return seen


@pytest.fixture(scope="module")
def shared(world: World) -> FsspecStorage:
    return world.client()


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
    "stall of 30 s": lambda _: some(spoil.stall(6.0), times=1),
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
    world.direct.put(ref.shard, world.direct.read(ref.shard)[: ref.offset + 20])
    return set(range(VICTIM, 2 * PER_SHARD))


def flip_one(world: World, data: OpenData) -> set[int]:
    """One bit of the image."""
    ref = data.index.locate(VICTIM)
    content = bytearray(world.direct.read(ref.shard))
    content[ref.offset + 100] ^= 1
    world.direct.put(ref.shard, bytes(content))
    return {VICTIM}


def remove(world: World, data: OpenData) -> set[int]:
    """Shard 1 is gone."""
    world.direct.delete(data.index.locate(VICTIM).shard)
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


def rows(*outcomes: Outcome) -> list[Fault]:
    return [fault for fault in FAULTS if fault.outcome in outcomes]


def named(fault: Fault) -> str:
    return fault.name.replace(" ", "-").lower()


@pytest.mark.parametrize("fault", rows(Outcome.RETRIED), ids=named)
def test_what_passes_is_tried_again_and_changes_no_sample(
    world: World, whole: OpenData, undisturbed: Seen, shared: FsspecStorage, fault: Fault
) -> None:
    storage = world.client() if fault.name.startswith("keys") else shared
    before = storage.retry_causes.get(fault.cause, 0)
    world.proxy.rule = ON_THE_WAY[fault.name](world)
    seen = see(storage, whole)
    assert seen.ids == undisturbed.ids
    assert not seen.reports
    tries = (
        seen.read_again if fault.cause == READ_AGAIN else storage.retry_causes.get(fault.cause, 0) - before
    )
    assert tries > 0
    assert fault.cause in {READ_AGAIN, *RETRY_CAUSES}


@pytest.mark.parametrize("fault", rows(Outcome.SKIPPED), ids=named)
def test_what_stays_costs_its_own_samples_only_and_is_reported_by_key_and_cause(
    world: World, undisturbed: Seen, shared: FsspecStorage, fault: Fault
) -> None:
    data = world.open_set(named(fault), CHANGED.get(fault.name, {}))
    world.proxy.rule = spoil.nothing
    hit = AT_REST[fault.name](world, data)
    seen = see(shared, data, processes=2, extras=("txt",))
    own = data.order.samples_at(np.arange(len(undisturbed.ids)))
    bad = {position for position, number in enumerate(own) if number in hit}
    assert seen.stand_ins == bad
    assert {p: name for p, name in seen.ids.items() if p not in bad} == {
        p: name for p, name in undisturbed.ids.items() if p not in bad
    }
    assert {report.key for report in seen.reports} == {f"{number:05d}" for number in hit}
    assert {report.cause for report in seen.reports} == {fault.cause}


def test_spoilt_bytes_do_not_stay_in_memory(
    world: World, whole: OpenData, undisturbed: Seen, shared: FsspecStorage
) -> None:
    world.proxy.rule = some(spoil.flipped)
    seen = see(shared, whole, keep=1 << 30)
    assert seen.ids == undisturbed.ids
    assert seen.read_again > 0


@pytest.mark.parametrize("fault", rows(Outcome.ENDS_RUN, Outcome.ENDS_ATTEMPT), ids=named)
def test_what_no_skipping_mends_ends_with_an_error_that_names_the_mend(
    world: World, whole: OpenData, fault: Fault
) -> None:
    data, most = whole, 1.0
    if fault.name == "too many bad samples":
        world.proxy.rule = spoil.nothing
        data, most = world.open_set("bad", dict.fromkeys(range(0, 40, 2), (b"no image", b""))), 0.4
    else:
        world.proxy.rule = FOREVER[fault.name](world)
    with pytest.raises(Exception, match=MENDS[fault.name]) as raised:
        see(world.client(patience=3.0), data, most=most)
    code = exit_codes.USER_ERROR if fault.outcome is Outcome.ENDS_RUN else exit_codes.RETRY
    assert exit_code_of(raised.value) == code


def test_below_the_set_share_bad_samples_end_nothing(world: World, shared: FsspecStorage) -> None:
    world.proxy.rule = spoil.nothing
    data = world.open_set("few", dict.fromkeys(range(0, 40, 4), (b"no image", b"")))
    assert len(see(shared, data, most=0.5).stand_ins) > 10
