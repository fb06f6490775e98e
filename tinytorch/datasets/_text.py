"""Texts to learn language from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

from tinytorch.datasets._files import File, data_folder, find, not_there


class TinyShakespeare:
    """Passages from Shakespeare's plays, 1.1 million characters of 65 kinds, as one string.

    Parameters
    ----------
    root
        The folder in which data sets are kept, each in a folder of its own. By default the environment variable
        TINYTORCH_DATA says which, or else it is ``tinytorch`` among the user's caches.
    download
        Whether to fetch the file if it is missing or damaged: 1.1 MB.
    progress
        Whether to tell on stderr how a download goes.

    Attributes
    ----------
    text
        The whole text.

    Raises
    ------
    DatasetError
        If the file is missing or damaged, or cannot be fetched. It is an `OSError`.

    Notes
    -----
    Source: put together by A. Karpathy for The Unreasonable Effectiveness of Recurrent Neural Networks, 2015,
    https://github.com/karpathy/char-rnn; the plays are in the public domain.
    """

    files: ClassVar[tuple[File, ...]] = (
        File(
            "input.txt",
            1_115_394,
            "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
            (
                "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
                "https://raw.githubusercontent.com/jcjohnson/torch-rnn/master/data/tiny-shakespeare.txt",
            ),
        ),
    )

    def __init__(
        self, root: str | os.PathLike[str] | None = None, download: bool = False, *, progress: bool = True
    ) -> None:
        self.root = data_folder(root)
        if download:
            # Only who downloads needs the network's modules, which take long to import.
            from tinytorch.datasets._download import fetch

            fetch("TinyShakespeare", self.files, self.folder, progress=progress)
        (file,) = self.files
        path = find(file, [self.folder])
        if path is None:
            raise not_there("TinyShakespeare", [file], self.folder)
        # As the bytes are: a file opened as text would have its line ends changed.
        self.text = path.read_bytes().decode("ascii")

    @property
    def folder(self) -> Path:
        """Where the file is."""
        return self.root / "TinyShakespeare"

    def __repr__(self) -> str:
        return f"Dataset TinyShakespeare\n    Number of characters: {len(self.text)}\n    Root location: {self.root}"


def tiny_shakespeare(root: str | os.PathLike[str] | None = None, download: bool = False) -> str:
    """Return the text of `TinyShakespeare`."""
    return TinyShakespeare(root, download).text
