"""Recordings that begin elsewhere, drawn at random while training.

A recorder starts where it happens to, so where a recording begins says nothing of its class. With few recordings the
action objective learns these by heart, and its KL rises on held-out recordings. Rolled recordings keep their tempo,
which phrases speak of; cut and stretched ones (window slicing, Le Guennec et al. 2016) do not.
"""

from __future__ import annotations

import torch

from model.network.batch import Batch

ROLLED_SHARE = 0.5  # of the recordings of a step; the others begin as they do when they are measured


def random_roll(batch: Batch, most: float, generator: torch.Generator) -> Batch:
    """Rolls half the recordings in time: what leaves at one end comes in at the other.

    All channels of a recording are rolled alike, and keep their mean, deviation and level. Which recordings are rolled
    is drawn (CPU), and then by how much, evenly up to a share `most` of the recording to either side. A `most` of 0
    returns the batch itself and draws nothing.
    """
    if most == 0:
        return batch
    recordings, _, samples = batch.x.shape
    chosen = torch.rand(recordings, generator=generator) < ROLLED_SHARE
    share = most * (2 * torch.rand(recordings, generator=generator) - 1)
    by = torch.where(chosen, (share * samples).round(), 0.0).long()
    place = (torch.arange(samples) - by[:, None]) % samples
    place = place.to(batch.x.device, non_blocking=True)[:, None].expand_as(batch.x)
    return batch._replace(x=batch.x.gather(-1, place))
