"""Kubernetes quantities as TorchX wants them: whole cores, whole devices, mebibytes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from torchx.specs import Resource
from webssl_api.workers import ResourcesSpec

_UNITS = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "": Decimal(1),
    "k": Decimal(10) ** 3,
    "M": Decimal(10) ** 6,
    "G": Decimal(10) ** 9,
    "T": Decimal(10) ** 12,
    "P": Decimal(10) ** 15,
    "E": Decimal(10) ** 18,
    **{f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTPE", start=1)},
}


def parse_quantity(quantity: int | str) -> Decimal:
    """`500m`, `8`, `64Gi`, `1e3` as a number of base units. Raises ValueError naming the value."""
    text = str(quantity).strip()
    unit = text.lstrip("+-0123456789.") if not _is_number(text) else ""
    number = text[: len(text) - len(unit)] if unit else text
    if unit not in _UNITS or not _is_number(number):
        raise ValueError(f"quantity {quantity!r} is not like 500m, 8 or 64Gi")
    return Decimal(number) * _UNITS[unit]


def torchx_resource(resources: ResourcesSpec) -> Resource:
    """What one worker needs: requests, or limits where no request is given. -1 where neither says anything."""
    wanted: Mapping[str, int | str] = {**resources.limits, **resources.requests}
    gpus = sum(int(parse_quantity(amount)) for name, amount in wanted.items() if name.endswith("/gpu"))
    cpu, memory = wanted.get("cpu"), wanted.get("memory")
    return Resource(
        cpu=math.ceil(parse_quantity(cpu)) if cpu is not None else -1,
        gpu=gpus if gpus else -1,
        memMB=math.ceil(parse_quantity(memory) / 2**20) if memory is not None else -1,
        devices={
            name: int(parse_quantity(amount))
            for name, amount in wanted.items()
            if "/" in name and not name.endswith("/gpu")
        },
    )


def _is_number(text: str) -> bool:
    try:
        return Decimal(text).is_finite()
    except InvalidOperation:
        return False
