"""Parts of a glTF file that are compressed with Draco."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nvc3d.extras import require
from nvc3d.files.gltf_document import Document, Entry

EXTENSION = "KHR_draco_mesh_compression"


def decode(document: Document, extension: Entry) -> tuple[dict[str, NDArray], NDArray[np.int64]]:
    """Decompress a part.

    Returns:
        Its attributes (V, C) by name and its corners (3 F,).

    Raises:
        ValueError: the bytes are corrupt.
        MissingExtra: DracoPy is not installed.
    """
    library = require("DracoPy", f"to read parts compressed with {EXTENSION}")
    data = bytes(document.view(extension.whole("bufferView")))
    try:
        found = library.decode(data)
        names = extension.entry("attributes")
        attributes = {
            name: np.asarray(found.get_attribute_by_unique_id(names.whole(name))["data"])
            for name in names.values
        }
        corners = np.asarray(found.faces).astype(np.int64).reshape(-1)
    except Exception as error:
        raise ValueError(f"{extension.name} holds what Draco cannot decompress") from error
    return attributes, corners
