"""One flipped byte in the newest checkpoint: the resume notices, takes the one before, and status says so."""

from __future__ import annotations

from webssl_api import CheckpointManifest, Phase
from webssl_api.manifest import MANIFEST_NAME
from webssl_trainer.storage import join

from tests.e2e.lab import Lab
from tests.e2e.lab.lab import wait_for
from tests.e2e.lab.manifests import training_run


def test_a_flipped_byte_makes_the_resume_fall_back(lab: Lab) -> None:
    name = "damaged"
    lab.apply(training_run(name, lab.namespace, lab.place, interval=10))
    lab.until(
        name, "three checkpoints", lambda s: s.last_checkpoint is not None and s.last_checkpoint.step >= 30
    )
    lab.patch(name, {"suspend": True})
    suspended = lab.until(name, "suspension", lambda s: s.phase is Phase.SUSPENDED)
    wait_for(lambda: not lab.pods(name), 90, "the workers to save and stop")
    newest = lab.newest_checkpoint(name)

    manifest = CheckpointManifest.from_bytes(lab.storage.read(join(newest.uri, MANIFEST_NAME)))
    largest = max(manifest.objects, key=lambda entry: entry.size)
    url = join(newest.uri, largest.path)
    data = bytearray(lab.storage.read(url))
    data[len(data) // 2] ^= 1
    lab.storage.put(url, bytes(data))

    lab.patch(name, {"suspend": False})
    status = lab.until(
        name, "a resume", lambda s: s.attempt > suspended.attempt and s.resumed_from is not None
    )
    assert status.resumed_from is not None
    assert status.resumed_from.step < newest.step
    assert [rejected.uri for rejected in status.rejected_checkpoints] == [newest.uri]
    assert largest.path in status.rejected_checkpoints[0].reason
    condition = next(c for c in status.conditions if c.type == "CheckpointVerified")
    assert (condition.status, condition.reason) == ("False", "FellBack")
    assert newest.uri in condition.message

    done = lab.until_done(name)
    assert done.lost_steps == newest.step - status.resumed_from.step
    lab.delete(name)
