"""Quantities and resources as Kubernetes writes them."""

from __future__ import annotations

import pytest
from webssl_operator.construct.quantities import parse_quantity, torchx_resource

from tests.unit.operator.small_run import run_of


@pytest.mark.parametrize(
    ("quantity", "value"),
    [(8, 8), ("8", 8), ("500m", 0.5), ("64Gi", 64 * 2**30), ("1e3", 1000), ("2k", 2000)],
)
def test_quantities_are_read_as_kubernetes_writes_them(quantity: int | str, value: float) -> None:
    assert float(parse_quantity(quantity)) == value


def test_a_wrong_quantity_is_named() -> None:
    with pytest.raises(ValueError, match="quantity '8 GB' is not like 500m, 8 or 64Gi"):
        parse_quantity("8 GB")


def test_gpus_of_any_vendor_are_counted() -> None:
    run = run_of(workers={"max": 2, "template": {"resources": {"limits": {"amd.com/gpu": 4, "rdma/hca": 1}}}})
    assert run.spec is not None
    resource = torchx_resource(run.spec.workers.template.resources)
    assert (resource.gpu, resource.devices) == (4, {"rdma/hca": 1})
