"""Images: codes learned without labels, as clusters and with few labels, beside published figures.

    python benchmarks/images.py                                     # scikit-learn's digits
    python benchmarks/images.py --data DIR --markdown docs/images.md   # DIR/mnist/, fashion-mnist/

One network with each code between encoder and decoder, trained by the trainer of `nvc3d train
images --labelled 0`: the same data, batches and steps. Labels are read afterwards: by the vote of
clusters, and by a logistic regression on the codes of as many images as are drawn. Every result is
stored as soon as it is there: a stopped run goes on. Results go to runs/benchmarks/images/.
"""

from __future__ import annotations

import argparse
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from cells import Result, follow, stored
from numpy.typing import NDArray
from pairing import BySeed, mcnemar, paired, shown, shown_test
from results import fingerprint, write_between
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import normalized_mutual_info_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from task_study.content import depends

from nvc3d.checkpoint import Run
from nvc3d.config import TrainConfig
from nvc3d.data.few_labels import choose
from nvc3d.nebula import Nebula
from nvc3d.tasks import TASKS
from nvc3d.tasks.task import Items, evaluating
from nvc3d.train import evaluation_batches, train

ROOT = Path(__file__).parents[1]
CODES = ("plain", "vae", "nebula")
ROWS = ("pixels", *CODES)
"""What labels are read from; "pixels" are those of the images."""
SETS = {
    "digits": (None, "scikit-learn's digits, 8 x 8: the first 1,438 learned from, the last 359"),
    "mnist": ("mnist", "MNIST's test digits: the first 8,000 learned from, the last 2,000"),
    "fashion": ("fashion-mnist", "Fashion-MNIST: 60,000 learned from, 10,000 measured on"),
}
LABELS = (10, 100, 1000, 8000)
DRAWS = {10: 5, 100: 5}
"""Draws of so many labels; one of more."""
STEPS, BATCH, ANCHORS = 1440, 250, 30
Values = NDArray[Any]


@dataclass(frozen=True)
class Cell:
    """One training and what labels tell of its codes."""

    set: str
    code: str
    seed: int
    data: Path | None
    steps: int

    def __str__(self) -> str:
        return f"{self.set}, {self.code}, seed {self.seed}"

    @property
    def run(self) -> Run:
        folder = SETS[self.set][0]
        where = None if folder is None or self.data is None else str(self.data / folder)
        code = "plain" if self.code == "pixels" else self.code
        task = TASKS["images"]
        config = task.config(data=where, bottleneck=code, seed=self.seed, labelled=0.0)
        training = TrainConfig(steps=self.steps, batch_size=BATCH, save_every=self.steps)
        return Run(task, config, training)

    def name(self) -> str:
        """Of the file of its result."""
        key = fingerprint([*depends(self.run, SETS[self.set][0]), repr((LABELS, DRAWS))])
        return f"{self.set}-{self.code}-{self.seed}-{key}"

    def compute(self, folder: Path) -> Result:
        """Train and measure."""
        run = self.run
        if self.code == "pixels":
            splits = run.task.splits(run.config)
            known, asked = (_pixels(part) for part in (splits.train, splits.val))
            return judged(known, asked, self.seed)
        outcome = train(run, folder, progress=False)
        known, asked = (_codes(outcome.model, run, s) for s in _parts(outcome.splits))
        result = judged(known, asked, self.seed)
        batches = evaluation_batches(outcome.splits.val, run.training)
        table = run.task.metrics(outcome.model, batches, outcome.splits.vocabulary.groups)
        return result | {"values": result["values"] | {"nats": table.overall["images"]["nats"]}}


def _parts(splits: Any) -> tuple[Items, Items]:
    return splits.train, splits.val


@dataclass(frozen=True)
class Coded:
    """Codes (N, D), their labels (N,) and, where they have some of their own, clusters (N,)."""

    code: Values
    label: Values
    cluster: Values | None = None


def _pixels(items: Items) -> Coded:
    every = [items[i] for i in range(len(items))]
    pixels = np.stack([item["image"].ravel() for item in every]) / 255
    return Coded(pixels, np.array([item["label"] for item in every]))


def _codes(model: Any, run: Run, items: Items) -> Coded:
    rows = []
    with evaluating(model):
        for batch in evaluation_batches(items, run.training):
            code = model(batch["image"]).code
            rows.append((code.mean.numpy(), batch["label"].numpy(), code.anchor.numpy()))
    code, label, anchor = (np.concatenate(part) for part in zip(*rows, strict=True))
    return Coded(code, label, anchor if isinstance(model.bottleneck, Nebula) else None)


def judged(known: Coded, asked: Coded, seed: int) -> Result:
    """Measures of codes, and the hits of each draw of labels, as text of 0 and 1."""
    means = KMeans(ANCHORS, n_init=10, random_state=seed).fit(known.code)
    own, given = means.predict(asked.code), means.labels_
    values = {f"k-means: {name}": value for name, value in _clustered(given, own, known, asked)}
    if known.cluster is not None and asked.cluster is not None:
        values |= dict(_clustered(known.cluster, asked.cluster, known, asked))
    hits: dict[str, list[str]] = {}
    for count in (count for count in LABELS if count <= len(known.label)):
        fraction = count / len(known.label)
        for draw in range(DRAWS.get(count, 1)):
            some = choose(known.label.tolist(), fraction, draw)
            probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))
            said = probe.fit(known.code[some], known.label[some]).predict(asked.code)
            right = "".join("01"[int(hit)] for hit in said == asked.label)
            hits.setdefault(str(count), []).append(right)
    for drawn, draws in hits.items():
        values[f"{drawn} labels"] = float(np.mean([d.count("1") / len(d) for d in draws]))
    return {"values": values, "hits": hits}


def _clustered(given: Values, own: Values, known: Coded, asked: Coded) -> list[tuple[str, float]]:
    """Measures of clusters (N,) of the images learned from, and (T,) of those measured on."""
    votes = np.zeros((ANCHORS, known.label.max() + 1))
    np.add.at(votes, (given, known.label), 1)
    table = np.zeros_like(votes)
    np.add.at(table, (own, asked.label), 1)
    return [
        ("vote", float((votes.argmax(1)[own] == asked.label).mean())),
        ("Hungarian", float(table[linear_sum_assignment(table, True)].sum() / len(own))),
        ("NMI", float(normalized_mutual_info_score(asked.label, own))),
    ]


CLUSTERED = ("vote", "Hungarian", "NMI")


def table(name: str, cells: list[Cell], output: Path) -> str:
    """Markdown of a set: a row for each code, then the nebula beside each of the others."""
    found = {(c.code, c.seed): stored(c, output) for c in cells if c.set == name}
    results = {key: result for key, result in found.items() if result is not None}
    values: dict[tuple[str, str], BySeed] = {}
    for (code, seed), result in results.items():
        for measure, value in result["values"].items():
            values.setdefault((code, measure), {})[seed] = value
    counts = [f"{n} labels" for n in LABELS if ("nebula", f"{n} labels") in values]
    columns = ["nats", *CLUSTERED, *(f"k-means: {m}" for m in CLUSTERED), *counts]
    rows = [row for row in ROWS if any(code == row for code, _ in results)]
    lines = ["| " + " | ".join(["", *columns]) + " |", "|---" * (len(columns) + 1) + "|"]
    for row in rows:
        cells_ = [shown(values.get((row, c), {}), 1 if c == "nats" else 3) for c in columns]
        lines.append("| " + " | ".join([row, *cells_]) + " |")
    for other in (row for row in rows if row != "nebula"):
        tests = []
        for column in columns:
            # A code without anchors has the clusters of k-means.
            theirs = values.get((other, column)) or values.get((other, f"k-means: {column}"), {})
            test = paired(values.get(("nebula", column), {}), theirs)
            lower = column == "nats"
            tests.append(shown_test(test, 1 if lower else 3, lower))
        lines.append("| " + " | ".join([f"nebula less {other}", *tests]) + " |")
    seeds = len({seed for _, seed in results})
    title = f"**{name}** ({SETS[name][1]}), seeds: {seeds}"
    return f"{title}\n\n" + "\n".join(lines) + "\n\n" + _pairs(results, rows)


def _pairs(results: dict[tuple[str, int], Result], rows: list[str]) -> str:
    """McNemar's test of the nebula's hits beside others', draw by draw."""
    lines = []
    for other, count in itertools.product((r for r in rows if r != "nebula"), map(str, LABELS)):
        won = lost = pairs = 0
        for (code, seed), result in results.items():
            beside = results.get((other, seed))
            if code != "nebula" or beside is None or count not in result["hits"]:
                continue
            for mine, theirs in zip(result["hits"][count], beside["hits"][count], strict=True):
                own, others, p = mcnemar(*([hit == "1" for hit in d] for d in (mine, theirs)))
                pairs += 1
                won += own > others and p < 0.05
                lost += own < others and p < 0.05
        if pairs:
            lines.append(f"{other}, {count} labels: better in {won}, worse in {lost} of {pairs}")
    return "McNemar's test with p < 0.05, nebula beside " + "; ".join(lines) + "."


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    options.add_argument("--data", type=Path, help="folder of mnist/ and fashion-mnist/")
    options.add_argument("--sets", nargs="+", choices=SETS, help="default: those that are there")
    options.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    options.add_argument("--steps", type=int, default=STEPS)
    options.add_argument("--workers", type=int, default=1, help="processes")
    options.add_argument("--output", type=Path, default=ROOT / "runs" / "benchmarks" / "images")
    options.add_argument("--markdown", type=Path, help="write the tables into this page too")
    given = options.parse_args()
    there = [n for n, (f, _) in SETS.items() if not f or (given.data and (given.data / f).is_dir())]
    cells = [
        Cell(name, code, seed, given.data, given.steps)
        for name in given.sets or there
        for seed in given.seeds
        for code in ROWS
        if code != "pixels" or seed == given.seeds[0]  # there is no chance in them
    ]
    failed = follow(cells, given.output, given.workers)
    text = "\n\n".join(table(name, cells, given.output) for name in given.sets or there)
    print(text)
    if given.markdown:
        write_between(given.markdown, "images", text)
    if failed:
        raise SystemExit(f"{failed} cells failed")


if __name__ == "__main__":
    main()
