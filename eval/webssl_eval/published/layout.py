"""Names of the same parameters in two places: this project's vision transformer, and a published file. Pure.

A layout maps each of our parameters to one published parameter, or to several that lie end to end along dimension 0
(query, key and value of our `qkv`). Values are never changed, so a round trip is exact.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from webssl_trainer.errors import UserError

State = dict[str, Tensor]
_BLOCK = re.compile(r"^blocks\.(\d+)\.(.+)\.(weight|bias|gamma)$")
_SHOWN = 3

Parts = tuple[str, ...]
"""Published names whose tensors lie end to end in one of ours."""


@dataclass(frozen=True)
class Layout:
    """Where our parameters are in a published file.

    Attributes:
        name: what it is, for people.
        blocks: prefixes in use of a block's names, with `{}` for its number; the first one is written.
        outside: our name -> published name, for parameters outside of blocks.
        within: our module in a block -> the spellings that are in use; the first one is written.
        gamma: published name of LayerScale's factor.
        fillable: our parameters that a published file may lack; they become 0.
        unused: published names (a regular expression) that belong to no encoder and are passed over.
    """

    name: str
    blocks: Sequence[str]
    outside: Mapping[str, str]
    within: Mapping[str, Sequence[Parts]]
    gamma: str = "gamma"
    fillable: Collection[str] = field(default_factory=frozenset)
    unused: str = r"(?!)"

    def spellings(self, ours: str) -> list[Parts]:
        """The published names that hold our parameter `ours`: one entry for each spelling, the written one first.

        Raises:
            KeyError: the layout has no place for it.
        """
        match = _BLOCK.match(ours)
        if match is None:
            return [(self.outside[ours],)]
        number, module, leaf = match.groups()
        last = self.gamma if leaf == "gamma" else leaf
        return [
            tuple(f"{prefix.format(number)}.{part}.{last}" for part in parts)
            for prefix in self.blocks
            for parts in self.within[module]
        ]

    def publish(self, state: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
        """Our parameters under their published names; the tensors share memory with `state`.

        Parameters that the layout has no place for and may lack are left out.
        """
        for ours, tensor in state.items():
            if ours in self.fillable and ours not in self.outside:
                continue
            parts = self.spellings(ours)[0]
            yield from zip(parts, tensor.chunk(len(parts)), strict=True)

    def adopt(self, published: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> State:
        """Published parameters under our names, in fp32.

        Args:
            published: tensors by published name.
            wanted: our parameters, for their names and shapes; values are not read (meta tensors will do).

        Raises:
            UserError: a parameter is missing, left over, of another shape, or not finite.
        """
        state, used = State(), set[str]()
        for ours, target in wanted.items():
            parts = self._found(ours, published)
            if parts is None:
                state[ours] = torch.zeros(target.shape)
                continue
            used.update(parts)
            state[ours] = self._joined(ours, parts, published, target.shape)
        left = [name for name in published if name not in used and not re.fullmatch(self.unused, name)]
        if left:
            raise UserError(
                f"{self.name}: {_some(left)} have no place in the vision transformer that the configuration describes "
                "(registers, a head, or more blocks?); import an encoder without them"
            )
        return state

    def _found(self, ours: str, published: Mapping[str, Tensor]) -> Parts | None:
        lacking = ours in self.fillable
        if lacking and ours not in self.outside:
            return None
        spellings = self.spellings(ours)
        found = next((parts for parts in spellings if all(part in published for part in parts)), None)
        if found is None and not lacking:
            missing = next(part for part in spellings[0] if part not in published)
            raise UserError(
                f"{self.name}: tensor {missing} is missing (the file has {_some(published)}); the configuration "
                "is not that of these weights, or the file is of another architecture"
            )
        return found

    def _joined(self, ours: str, parts: Parts, published: Mapping[str, Tensor], shape: torch.Size) -> Tensor:
        part_shape = (shape[0] // len(parts), *shape[1:])
        for part in parts:
            if tuple(published[part].shape) != part_shape:
                raise UserError(
                    f"{self.name}: {part} has shape {tuple(published[part].shape)}, the configuration needs {part_shape} "
                    f"for {ours}; the configuration is not that of these weights"
                )
        tensor = torch.cat([published[part].float() for part in parts])
        if not tensor.is_meta and not bool(torch.isfinite(tensor).all()):
            raise UserError(
                f"{self.name}: {' + '.join(parts)} holds NaN or infinity; the file is damaged, fetch it again"
            )
        return tensor


def _some(names: Iterable[str]) -> str:
    found = sorted(names)
    return ", ".join(found[:_SHOWN]) + (", ..." if len(found) > _SHOWN else "") or "no tensors"
