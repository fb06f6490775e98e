"""Fetch the layout library that the page carries: ``python rebuild.py``, with npm on the path.

dagre, MIT licence (dagre.LICENSE), is taken as its makers built it, but for the comment that names a source map.
"""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
import tempfile
from pathlib import Path

PACKAGE = "@dagrejs/dagre@3.1.3"
HERE = Path(__file__).parent


def main() -> None:
    """Write dagre.min.js and dagre.LICENSE beside this file."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", PACKAGE, "--json", "--pack-destination", folder]
        packed = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        archive = (Path(folder) / packed[0]["filename"]).read_bytes()
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        for name, target in (("package/dist/dagre.min.js", "dagre.min.js"), ("package/LICENSE", "dagre.LICENSE")):
            member = files.extractfile(name)
            assert member is not None
            lines = member.read().decode().splitlines()
            text = "\n".join(line for line in lines if not line.startswith("//# sourceMappingURL"))
            (HERE / target).write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
