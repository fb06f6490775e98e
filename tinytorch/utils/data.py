"""Datasets, samplers and the loader in PyTorch's spelling."""

from __future__ import annotations

from tinytorch._growing import built as _built
from tinytorch._growing import missing_from as _missing_from

if _built("dataloader"):
    from tinytorch.core.dataloader import BatchSampler as BatchSampler
    from tinytorch.core.dataloader import ChainDataset as ChainDataset
    from tinytorch.core.dataloader import ConcatDataset as ConcatDataset
    from tinytorch.core.dataloader import DataLoader as DataLoader
    from tinytorch.core.dataloader import Dataset as Dataset
    from tinytorch.core.dataloader import IterableDataset as IterableDataset
    from tinytorch.core.dataloader import RandomSampler as RandomSampler
    from tinytorch.core.dataloader import Sampler as Sampler
    from tinytorch.core.dataloader import SequentialSampler as SequentialSampler
    from tinytorch.core.dataloader import Subset as Subset
    from tinytorch.core.dataloader import SubsetRandomSampler as SubsetRandomSampler
    from tinytorch.core.dataloader import TensorDataset as TensorDataset
    from tinytorch.core.dataloader import WeightedRandomSampler as WeightedRandomSampler
    from tinytorch.core.dataloader import default_collate as default_collate
    from tinytorch.core.dataloader import default_convert as default_convert
    from tinytorch.core.dataloader import get_worker_info as get_worker_info
    from tinytorch.core.dataloader import random_split as random_split

__getattr__ = _missing_from(__name__)
