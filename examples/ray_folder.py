"""A folder of shapes through a trained model, by Ray Data: `python ray_folder.py RUN FOLDER`.

Whatever the run was trained for: its points are labelled, its scans completed, and so on.
"""

import argparse
import resource
import time
from pathlib import Path

import ray

import nvc3d
from nvc3d.files import find_shapes

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("run", type=Path, help="run folder of the model")
parser.add_argument("folder", type=Path, help="meshes and clouds")
parser.add_argument("--output", type=Path, default=Path("answers"))
options = parser.parse_args()
output = options.output.absolute()
output.mkdir(parents=True, exist_ok=True)


def written(row: dict) -> dict:
    row["answer"].write(output / f"{Path(row['path']).stem}.ply")
    # Of the process that answers, at its highest.
    return {"megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3}


ray.init(include_dashboard=False, log_to_driver=False)
model = nvc3d.load(options.run)
paths = [{"path": str(path.absolute())} for path in find_shapes(options.folder)]
began = time.perf_counter()
rows = ray.data.from_items(paths).map_batches(model, batch_size=8).map(written).take_all()
seconds = time.perf_counter() - began
peak = max(row["megabytes"] for row in rows)
print(f"{len(rows)} files in {output}: {len(rows) / seconds:.2f} a second, peak {peak:.0f} MB")
