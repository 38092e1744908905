"""Every row of the table of faults, caused on purpose between the loader and a real S3 server, for both clients, here and apart."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from webssl_api import exit_codes
from webssl_trainer.data import OpenData
from webssl_trainer.data.faults import FAULTS, READ_AGAIN, Fault, Outcome
from webssl_trainer.loop.exits import exit_code_of
from webssl_trainer.storage import RETRY_CAUSES, RetryPolicy, Storage, StorageOptions, open_storage
from webssl_trainer.storage.options import CLIENTS

from tests.contract.trainer import fault_proxy as spoil
from tests.contract.trainer.fault_proxy import fault_proxy, some
from tests.contract.trainer.faults_on_purpose import AT_REST, CHANGED, FOREVER, MENDS, ON_THE_WAY
from tests.contract.trainer.faulty_world import NEWER_KEYS, Seen, World, see
from tests.contract.trainer.s3_server import S3Server

APART = "apart"


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
                past = open_storage(
                    StorageOptions(endpoint=server.access.endpoint, region="us-east-1", retry=patient)
                )
                made = World(server, proxy, past, keys_file)
                made.write_keys(server.access.access_key, server.access.secret_key)
                yield made
        finally:
            server.kill()


@pytest.fixture(scope="module")
def whole(world: World) -> OpenData:
    return world.open_set("whole", {})


@pytest.fixture(scope="module")
def undisturbed(world: World, whole: OpenData) -> Seen:
    seen = see(world.past, whole)
    assert not seen.reports
    return seen


@pytest.fixture(scope="module", params=(*CLIENTS, APART))
def kind(request: pytest.FixtureRequest) -> str:
    """All of it is true of both clients, and of a process that reads for this one."""
    return str(request.param)


@pytest.fixture(scope="module")
def shared(world: World, kind: str) -> Storage:
    return world.client(kind)


def rows(*outcomes: Outcome) -> list[Fault]:
    return [fault for fault in FAULTS if fault.outcome in outcomes]


def named(fault: Fault) -> str:
    return fault.name.replace(" ", "-").lower()


@pytest.mark.parametrize("fault", rows(Outcome.RETRIED), ids=named)
def test_what_passes_is_tried_again_and_changes_no_sample(
    world: World, whole: OpenData, undisturbed: Seen, kind: str, shared: Storage, fault: Fault
) -> None:
    storage = world.client(kind) if fault.name.startswith("keys") else shared
    before = storage.retry_causes.get(fault.cause, 0)
    world.proxy.rule = ON_THE_WAY[fault.name](world)
    seen = see(storage, whole, apart=kind == APART)
    assert seen.ids == undisturbed.ids
    assert not seen.reports
    tries = (
        seen.read_again if fault.cause == READ_AGAIN else storage.retry_causes.get(fault.cause, 0) - before
    )
    assert tries > 0
    assert fault.cause in {READ_AGAIN, *RETRY_CAUSES}


@pytest.mark.parametrize("fault", rows(Outcome.SKIPPED), ids=named)
def test_what_stays_costs_its_own_samples_only_and_is_reported_by_key_and_cause(
    world: World, undisturbed: Seen, kind: str, shared: Storage, fault: Fault
) -> None:
    data = world.open_set(f"{kind}-{named(fault)}", CHANGED.get(fault.name, {}))
    world.proxy.rule = spoil.nothing
    hit = AT_REST[fault.name](world, data)
    seen = see(shared, data, processes=2, extras=("txt",), apart=kind == APART)
    own = data.order.samples_at(np.arange(len(undisturbed.ids)))
    bad = {position for position, number in enumerate(own) if number in hit}
    assert seen.stand_ins == bad
    assert {p: name for p, name in seen.ids.items() if p not in bad} == {
        p: name for p, name in undisturbed.ids.items() if p not in bad
    }
    assert {report.key for report in seen.reports} == {f"{number:05d}" for number in hit}
    assert {report.cause for report in seen.reports} == {fault.cause}


def test_spoilt_bytes_do_not_stay_in_memory(
    world: World, whole: OpenData, undisturbed: Seen, kind: str, shared: Storage
) -> None:
    world.proxy.rule = some(spoil.flipped)
    seen = see(shared, whole, keep=1 << 30, apart=kind == APART)
    assert seen.ids == undisturbed.ids
    assert seen.read_again > 0


@pytest.mark.parametrize("fault", rows(Outcome.ENDS_RUN, Outcome.ENDS_ATTEMPT), ids=named)
def test_what_no_skipping_mends_ends_with_an_error_that_names_the_mend(
    world: World, whole: OpenData, kind: str, fault: Fault
) -> None:
    data, most = whole, 1.0
    if fault.name == "too many bad samples":
        world.proxy.rule = spoil.nothing
        data, most = world.open_set(f"{kind}-bad", dict.fromkeys(range(0, 40, 2), (b"no image", b""))), 0.4
    else:
        world.proxy.rule = FOREVER[fault.name](world)
    with pytest.raises(Exception, match=MENDS[fault.name]) as raised:
        see(world.client(kind, patience=3.0, quiet=60.0), data, most=most, apart=kind == APART)
    code = exit_codes.USER_ERROR if fault.outcome is Outcome.ENDS_RUN else exit_codes.RETRY
    assert exit_code_of(raised.value) == code


def test_below_the_set_share_bad_samples_end_nothing(world: World, kind: str, shared: Storage) -> None:
    world.proxy.rule = spoil.nothing
    data = world.open_set(f"{kind}-few", dict.fromkeys(range(0, 40, 4), (b"no image", b"")))
    assert len(see(shared, data, most=0.5, apart=kind == APART).stand_ins) > 10
