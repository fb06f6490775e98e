"""Sets of labelled images in torchvision's spelling, held in memory as arrays."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, SupportsIndex

import numpy as np
import numpy.typing as npt

from tinytorch.core.tensor import Tensor, from_numpy
from tinytorch.datasets._files import DatasetError, File, data_folder, find, not_there
from tinytorch.datasets._formats import ByteArray, read_cifar, read_idx

Transform = Callable[[Any], Any]


class LabelledImages:
    """What `MNIST`, `FashionMNIST` and `CIFAR10` have in common.

    Attributes
    ----------
    data
        All images, uint8.
    targets
        The label of each image, int64: the index of its class in `classes`.
    root, train, transform, target_transform
        As they were given.
    """

    classes: ClassVar[list[str]]
    files: ClassVar[tuple[File, ...]]
    system_folders: ClassVar[tuple[Path, ...]] = ()  # where a system's own packages put the files
    data: ByteArray
    targets: npt.NDArray[np.int64]

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        train: bool = True,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        download: bool = False,
        *,
        progress: bool = True,
    ) -> None:
        self.root = data_folder(root)
        self.train = train
        self.transform = transform
        self.target_transform = target_transform
        if download:
            # Only who downloads needs the network's modules, which take long to import.
            from tinytorch.datasets._download import fetch

            fetch(type(self).__name__, self.files, self.folder, elsewhere=self.system_folders, progress=progress)
        self.data, labels = self._read()
        self._check(labels)
        self.targets = labels.astype(np.int64)

    @property
    def folder(self) -> Path:
        """Where the files of this set are."""
        return self.root / type(self).__name__

    @property
    def class_to_idx(self) -> dict[str, int]:
        """The label of each class."""
        return {name: label for label, name in enumerate(self.classes)}

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: SupportsIndex) -> tuple[Any, Any]:
        """Return an image, as a copy that a transform may change, and its label."""
        index = operator.index(index)
        image: Any = self.data[index].copy()
        label: Any = int(self.targets[index])
        if self.transform is not None:
            image = self.transform(image)
        if self.target_transform is not None:
            label = self.target_transform(label)
        return image, label

    def __repr__(self) -> str:
        lines = [
            f"Dataset {type(self).__name__}",
            f"Number of datapoints: {len(self)}",
            f"Root location: {self.root}",
            f"Split: {'Train' if self.train else 'Test'}",
        ]
        if self.transform is not None:
            lines.append(f"Transform: {self.transform}")
        if self.target_transform is not None:
            lines.append(f"Target transform: {self.target_transform}")
        return "\n    ".join(lines)

    def tensors(self) -> tuple[Tensor, Tensor]:
        """Return all images and labels at once, without transforms, for training on the whole set.

        Returns
        -------
        images
            Shape (N, channels, height, width), float32 from 0 to 1.
        labels
            Shape (N,), int64.
        """
        channels_first = self.data[:, np.newaxis] if self.data.ndim == 3 else self.data.transpose(0, 3, 1, 2)
        images = np.divide(channels_first, 255, dtype=np.float32, order="C")
        return from_numpy(images), from_numpy(self.targets.copy())

    def _read(self) -> tuple[ByteArray, ByteArray]:
        """Return the images and the labels of the part that was asked for."""
        raise NotImplementedError(f"{type(self).__name__} does not say how to read its files.")

    def _paths(self, names: Sequence[str]) -> list[Path]:
        """Return where right copies of the files `names` are."""
        files = [file for name in names for file in self.files if file.name == name]
        found = [find(file, [self.folder, *self.system_folders]) for file in files]
        missing = [file for file, path in zip(files, found, strict=True) if path is None]
        if missing:
            raise not_there(type(self).__name__, missing, self.folder)
        return [path for path in found if path is not None]

    def _check(self, labels: ByteArray) -> None:
        """Check that every image has one label that names a class."""
        name = type(self).__name__
        if len(labels) != len(self.data):
            raise DatasetError(f"{name}: {len(self.data)} images came with {len(labels)} labels in {self.folder}.")
        if labels.size and labels.max() >= len(self.classes):
            raise DatasetError(
                f"{name}: a label in {self.folder} is {labels.max()}, expected 0 to {len(self.classes) - 1}."
            )


def _idx_files(mirrors: Sequence[str], *files: tuple[str, int, str] | tuple[str, int, str, str]) -> tuple[File, ...]:
    """Return the table of a set whose mirrors keep each file under its own name."""
    return tuple(
        File(name, size, sha256, tuple(f"{mirror}/{name}" for mirror in mirrors), tuple(repacked))
        for name, size, sha256, *repacked in files
    )


class MNIST(LabelledImages):
    """70,000 handwritten digits of 28 by 28 pixels, by some 500 people: 60,000 to train on, 10,000 to test with.

    ``dataset[i]`` is a uint8 array of shape (28, 28), from 0 (paper) to 255 (ink), after `transform` if there is one,
    and its label as an int. In torchvision it is a PIL image.

    Parameters
    ----------
    root
        The folder in which data sets are kept, each in a folder of its own. By default the environment variable
        TINYTORCH_DATA says which, or else it is ``tinytorch`` among the user's caches.
    train
        Whether to return the images to train on, or those to test with.
    transform, target_transform
        What to do with each image, and with each label, when it is taken.
    download
        Whether to fetch files that are missing or damaged: 11.6 MB in all.
    progress
        Whether to tell on stderr how a download goes.

    Raises
    ------
    DatasetError
        If a file is missing or damaged, or cannot be fetched. It is an `OSError`.

    Notes
    -----
    Source: Y. LeCun, C. Cortes and C. J. C. Burges, The MNIST database of handwritten digits, 1998, made from NIST's
    Special Databases 1 and 3; licence CC BY-SA 3.0.
    """

    classes: ClassVar[list[str]] = [
        "0 - zero",
        "1 - one",
        "2 - two",
        "3 - three",
        "4 - four",
        "5 - five",
        "6 - six",
        "7 - seven",
        "8 - eight",
        "9 - nine",
    ]
    files = _idx_files(
        ["https://ossci-datasets.s3.amazonaws.com/mnist", "https://storage.googleapis.com/cvdf-datasets/mnist"],
        (
            "train-images-idx3-ubyte.gz",
            9_912_422,
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        ),
        (
            "train-labels-idx1-ubyte.gz",
            28_881,
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        ),
        (
            "t10k-images-idx3-ubyte.gz",
            1_648_877,
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        ),
        (
            "t10k-labels-idx1-ubyte.gz",
            4_542,
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ),
    )

    @property
    def folder(self) -> Path:
        """Where the files of this set are: where torchvision keeps them as well."""
        return super().folder / "raw"

    def _read(self) -> tuple[ByteArray, ByteArray]:
        part = "train" if self.train else "t10k"
        images, labels = self._paths([f"{part}-images-idx3-ubyte.gz", f"{part}-labels-idx1-ubyte.gz"])
        return read_idx(images, (28, 28)), read_idx(labels, ())


class FashionMNIST(MNIST):
    """70,000 pictures of clothes of ten kinds, in the form of MNIST but harder: 60,000 to train on, 10,000 to test.

    ``dataset[i]`` is a uint8 array of shape (28, 28), from 0 (background) to 255, after `transform` if there is one,
    and its label as an int. In torchvision it is a PIL image. The parameters are those of `MNIST`; the download has
    30.9 MB.

    Notes
    -----
    Source: H. Xiao, K. Rasul and R. Vollgraf, Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning
    Algorithms, 2017, https://arxiv.org/abs/1708.07747; copyright Zalando SE, licence MIT.
    The files of Debian's package ``dataset-fashion-mnist`` are used where they are installed.
    """

    classes: ClassVar[list[str]] = [
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ]
    system_folders = (Path("/usr/share/datasets/fashion-mnist"),)
    # The second checksum is that of Debian's packing, which leaves the name and the date out of gzip's head.
    files = _idx_files(
        [
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion",
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
        ],
        (
            "train-images-idx3-ubyte.gz",
            26_421_880,
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            "b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7",
        ),
        (
            "train-labels-idx1-ubyte.gz",
            29_515,
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            "0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056",
        ),
        (
            "t10k-images-idx3-ubyte.gz",
            4_422_102,
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            "cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa",
        ),
        (
            "t10k-labels-idx1-ubyte.gz",
            5_148,
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            "8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05",
        ),
    )


class CIFAR10(LabelledImages):
    """60,000 colour photographs of 32 by 32 pixels, of animals and vehicles in ten classes: 50,000 to train on.

    ``dataset[i]`` is a uint8 array of shape (32, 32, 3), red, green and blue, after `transform` if there is one, and
    its label as an int. In torchvision it is a PIL image. The parameters are those of `MNIST`; the download has
    170.1 MB.

    Notes
    -----
    Source: A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009,
    https://www.cs.toronto.edu/~kriz/cifar.html; the authors name no licence and ask to be cited.
    It is read from the binary version, because the version that torchvision takes consists of pickles, and a pickle
    can run any program.
    """

    classes: ClassVar[list[str]] = [
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    ]
    files = (
        File(
            "cifar-10-binary.tar.gz",
            170_052_171,
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            (
                "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
                "https://storage.googleapis.com/s4tf-hosted-binaries/datasets/CIFAR10/cifar-10-binary.tar.gz",
            ),
        ),
    )

    def _read(self) -> tuple[ByteArray, ByteArray]:
        names = [f"data_batch_{i}.bin" for i in range(1, 6)] if self.train else ["test_batch.bin"]
        (archive,) = self._paths(["cifar-10-binary.tar.gz"])
        return read_cifar(archive, [f"cifar-10-batches-bin/{name}" for name in names])
