"""Images: what is read of files, good and bad, and the task from data to answer."""

from __future__ import annotations

import gzip
import json
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import call, config, untrained

import nvc3d
from nvc3d.cli import main
from nvc3d.metrics import clusters
from nvc3d.tasks import TASKS
from nvc3d.tasks.vocabulary import Vocabulary

pytest.importorskip("sklearn")
Image = pytest.importorskip("PIL.Image")
# ruff: noqa: E402
from nvc3d.adapters.images.backbones import backbone, mlp
from nvc3d.adapters.images.reading import as_image, fitted, read_idx, read_image
from nvc3d.adapters.images.sets import ImageFolder, digits, images_in

TASK = TASKS["images"]
NET = ("--dim=8", "--latent-dim=4", "--anchors=3", "--hidden=8", "--batch-size=8")


def idx(folder: Path, part: str, count: int, packed: bool = False, size: int = 6) -> None:
    """Bars at the left or the right, as MNIST is stored."""
    labels = np.arange(count, dtype=np.uint8) % 2
    pixels = np.zeros((count, size, size), np.uint8)
    pixels[labels == 0, :, : size // 2] = 200
    pixels[labels == 1, :, size // 2 :] = 200
    kinds = (("images-idx3", 3, pixels), ("labels-idx1", 1, labels))
    for kind, axes, values in kinds:
        content = struct.pack(f">4B{axes}I", 0, 0, 8, axes, *values.shape) + values.tobytes()
        name = f"{part}-{kind}-ubyte"
        if packed:
            (folder / f"{name}.gz").write_bytes(gzip.compress(content, 1))
        else:
            (folder / name).write_bytes(content)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Dark and light images, eight of each."""
    folder = tmp_path_factory.mktemp("images")
    for name, grey in (("dark", 40), ("light", 220)):
        (folder / name).mkdir()
        for i in range(8):
            Image.new("RGB", (6, 6), (grey + i, grey, grey - i)).save(folder / name / f"{i}.png")
    return folder


# IDX files


@pytest.mark.parametrize("packed", [False, True])
def test_idx_files_keep_their_split(packed: bool, tmp_path: Path) -> None:
    idx(tmp_path, "train", 12, packed)
    idx(tmp_path, "t10k", 4, packed)
    train, test = images_in(str(tmp_path), None, 0.5, 0)
    assert train is not None and (len(train), len(test)) == (12, 4)
    assert train.categories == ("0", "1") and train.shape == (1, 6, 6)
    pixels, label, _ = train[3]
    assert label == 1 and pixels[0, 0].tolist() == [0, 0, 0, 200, 200, 200]
    assert images_in(str(tmp_path), None, 1.0, 0)[0] is None


def test_of_one_idx_file_the_last_are_measured_on(tmp_path: Path) -> None:
    idx(tmp_path, "t10k", 10)
    train, test = images_in(str(tmp_path), None, 0.2, 0)
    assert train is not None and (len(train), len(test)) == (8, 2)
    assert (train[0][0] == test[0][0]).all()  # the first and the ninth are both of the left
    assert images_in(str(tmp_path), 3, 0.2, 0)[1].shape == (1, 3, 3)


def cut(content: bytes) -> bytes:
    return content[:-3]


def lying(content: bytes) -> bytes:
    return content[:4] + struct.pack(">I", 2**31) + content[8:]


def signed(content: bytes) -> bytes:
    return content[:2] + b"\x09" + content[3:]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (cut, "its header tells of 10 x 6 x 6 bytes, and 357 follow"),
        (lying, "its header tells of 2147483648 x 6 x 6 bytes, and 360 follow"),
        (signed, "with 3 axes begins with 00000803, this one with 00000903"),
        (lambda content: content[:9], "cut short: its header has 16 bytes, got 9"),
        (lambda content: b"", "the file is empty"),
    ],
)
def test_broken_idx_files_are_refused(
    change: Callable[[bytes], bytes], said: str, tmp_path: Path
) -> None:
    idx(tmp_path, "train", 10)
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(ValueError, match=said) as caught:
        images_in(str(tmp_path), None, 0.2, 0)
    assert str(path) in str(caught.value)


def test_idx_files_that_do_not_fit_together_are_refused(tmp_path: Path) -> None:
    idx(tmp_path, "train", 10, packed=True)
    whole = (tmp_path / "train-images-idx3-ubyte.gz").read_bytes()
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="gzip stream is broken or cut short"):
        images_in(str(tmp_path), None, 0.2, 0)
    with pytest.raises(ValueError, match="this one with 00000801"):
        read_idx(tmp_path / "train-labels-idx1-ubyte.gz", 3)
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(whole)
    idx(tmp_path, "train-labels", 1)
    (tmp_path / "train-labels-images-idx3-ubyte").unlink()
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(struct.pack(">4BI", 0, 0, 8, 1, 3) + b"012")
    with pytest.raises(ValueError, match="10 images and 3 labels"):
        images_in(str(tmp_path), None, 0.2, 0)
    (tmp_path / "train-labels-idx1-ubyte").unlink()
    (tmp_path / "train-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(FileNotFoundError, match="no such file"):
        images_in(str(tmp_path), None, 0.2, 0)


# Images


def test_images_of_every_mode_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    ramp = np.linspace(0, 65535, 16).astype(np.uint16).reshape(4, 4)
    Image.fromarray(ramp).save(path)
    assert np.asarray(read_image(path)).ravel().tolist() == [*range(0, 256, 17)]
    half = np.zeros((1, 2, 4), np.uint8)
    half[0, 0] = 0, 0, 0, 255  # black, and black that is not seen
    Image.fromarray(half).save(path)
    assert np.asarray(read_image(path)).tolist() == [[[0, 0, 0], [255, 255, 255]]]
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr"):
        plain = as_image(Image.new("RGB", (3, 2), "white").convert(mode))
        assert plain.mode == ("L" if mode in ("1", "L", "LA") else "RGB") and plain.size == (3, 2)
        assert np.asarray(plain).min() == 255, mode
    Image.fromarray(ramp).save(path, transparency=0)
    assert np.asarray(read_image(path)).ravel().tolist() == [255, *range(17, 256, 17)]
    (tmp_path / "a.pgm").write_bytes(b"P5 2 1 65535\n" + bytes([0, 0, 1, 1]))
    assert np.asarray(read_image(tmp_path / "a.pgm")).tolist() == [[0, 1]]
    for unknown in (np.full((2, 2), 0.5, np.float32), np.full((2, 2), 9, np.int32)):
        Image.fromarray(unknown).save(tmp_path / "a.tif")
        with pytest.raises(ValueError, match=r"a\.tif: .* of 32 bits, and 8 or 16 bits are expec"):
            read_image(tmp_path / "a.tif")
    turned = Image.new("L", (4, 2))
    turned.putpixel((0, 0), 255)
    exif = Image.Exif()
    exif[274] = 6  # the camera lay on its side
    turned.save(path, exif=exif)
    assert np.asarray(read_image(path)).tolist() == [[0, 255], *[[0, 0]] * 3]


def test_images_are_scaled_and_cut_at_their_longer_sides() -> None:
    wide = np.zeros((2, 8), np.uint8)
    wide[:, 3:5] = 255
    assert fitted(as_image(wide), (1, 2, 2)).tolist() == [[[255, 255], [255, 255]]]
    assert fitted(as_image(wide), (3, 4, 4)).shape == (3, 4, 4)


@pytest.mark.parametrize(
    "array", [np.zeros((0, 2)), np.zeros((2, 2, 2, 2)), np.zeros((4, 4), np.int64), np.ones(3)]
)
def test_what_is_no_image_is_refused(array: np.ndarray) -> None:
    with pytest.raises(ValueError, match="image must be"):
        as_image(array)


def test_numbers_with_a_point_are_from_0_to_1() -> None:
    assert np.asarray(as_image(torch.full((1, 2, 2), 0.2))).tolist() == [[51, 51]] * 2
    with pytest.raises(ValueError, match=r"from 0 to 1, got 0.0 to 3.0"):
        as_image(np.array([[0.0, 3.0]]))


def test_bad_images_among_good_are_left_out_by_name(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "dark").symlink_to(folder / "dark")
    (tmp_path / "odd").mkdir()
    whole = (folder / "light" / "0.png").read_bytes()
    (tmp_path / "odd" / "cut.png").write_bytes(whole[:-30])
    (tmp_path / "odd" / "text.png").write_text("no image")
    (tmp_path / "odd" / "empty.jpg").write_bytes(b"")
    frames = [Image.new("L", (6, 6), grey) for grey in (10, 200)]
    frames[0].save(tmp_path / "odd" / "moving.gif", save_all=True, append_images=frames[1:])
    Image.new("L", (12, 9)).save(tmp_path / "odd" / "large.bmp")
    with pytest.warns(UserWarning) as caught:
        found = ImageFolder(tmp_path, None)
    said = "\n".join(str(warning.message) for warning in caught)
    assert len(found) == 10 and found.shape == (3, 6, 6)
    assert "left out 3 of 13 images" in said and "the file is empty" in said
    assert all(f"odd/{name}" in said for name in ("cut.png", "text.png", "empty.jpg"))
    assert "1 of 11 images are not 6 x 6 pixels" in said and "to that: odd/large.bmp" in said
    assert "1 of 11 images are animated" in said and "is taken: odd/moving.gif" in said
    assert ImageFolder(folder / "light", 4).shape == (3, 4, 4)


def test_sizes_that_differ_must_be_told(tmp_path: Path) -> None:
    for side in (3, 4):
        Image.new("L", (side, side)).save(tmp_path / f"{side}.png")
    with pytest.raises(ValueError, match="differ in size: give --size"):
        ImageFolder(tmp_path, None)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="and no image, of those"):
        images_in(str(tmp_path / "empty"), None, 0.2, 0)


# The task


def test_the_digits_are_the_default() -> None:
    splits = TASK.data(config("images"))
    assert (len(splits.train), len(splits.val)) == (1438, 359)
    assert splits.vocabulary.image == (1, 8, 8) and len(splits.vocabulary.groups) == 10
    assert splits.train[0]["image"].max() == 15 * 255 // 16
    few = TASK.data(config("images", labelled=0.001)).train
    labelled = [item for item in few if item["labelled"]]
    assert {int(item["label"]) for item in labelled} == {*range(10)}
    assert len({item["name"] for item in labelled}) == 10
    assert 1 / 25 <= len(labelled) / len(few) < 1 / 20


def test_the_vocabulary_keeps_the_shape_and_others_none() -> None:
    words = Vocabulary(("a",), image=(3, 4, 5))
    assert Vocabulary.from_dict(words.to_dict()) == words
    assert "image" not in Vocabulary(("a",)).to_dict()
    with pytest.raises(ValueError, match="channels, height and width"):
        Vocabulary.from_dict(words.to_dict() | {"image": [2, 4, 5]})


@pytest.mark.parametrize("kind", ["nebula", "vae", "plain"])
def test_the_loss_is_of_labels_that_may_be_known_and_of_nats(kind: str) -> None:
    own = config("images", bottleneck=kind, nebula_weight=0.0)
    model = TASK.model(own, Vocabulary(("a", "b"), image=(1, 2, 2))).eval()
    batch = {
        "image": torch.tensor([[[[0, 255], [255, 0]]], [[[255, 0], [0, 0]]]], dtype=torch.uint8),
        "label": torch.tensor([1, -1]),
        "labelled": torch.tensor([True, False]),
    }
    terms, seen = TASK.loss(model, batch), model(batch["image"])
    chance = seen.scores.softmax(1)[0, 1]
    assert torch.isclose(terms["cross_entropy"], -chance.log())
    pixels = batch["image"] / 255
    likelihood = torch.where(pixels > 0, seen.decoded.sigmoid(), 1 - seen.decoded.sigmoid())
    nats = -likelihood.log().flatten(1).sum(1)
    assert torch.isclose(terms["reconstruction"], 0.01 * nats.mean())
    assert torch.isclose(terms["total"], sum(terms[n] for n in terms if n != "total"))


def test_clusters_are_judged_as_by_hand() -> None:
    truth = torch.tensor([0, 0, 0, 1, 1, 2])
    anchor = torch.tensor([4, 4, 1, 0, 4, 4])
    found = clusters(anchor, truth)
    assert found["purity"] == pytest.approx(4 / 6)  # 4: two of class 0; 1 and 0: one each
    assert found["Hungarian"] == pytest.approx(3 / 6)
    assert clusters(truth, truth)["NMI"] == pytest.approx(1)


@pytest.mark.parametrize("name", ["mlp", "resnet"])
def test_backbones_see_images_of_any_size(name: str) -> None:
    model = TASK.model(config("images", backbone=name), Vocabulary(("a", "b"), image=(3, 9, 7)))
    model.eval()
    images = torch.randint(0, 256, (2, 3, 9, 7), dtype=torch.uint8)
    assert model(images).decoded.shape == (2, 3, 9, 7)
    grey = images[:, :1]
    assert torch.equal(model(grey).code.mean, model(grey.expand(-1, 3, -1, -1)).code.mean)
    large = images.repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert model(large).image.shape == images.shape
    with pytest.raises(ValueError, match="of uint8, got"):
        model(images.float())


def test_layers_hand_on_what_they_get_as_strongly_as_it_came() -> None:
    torch.manual_seed(0)
    x = torch.randn(256, 100)
    out = mlp(*[100] * 8)(x)
    # The last is followed by no ReLU, which would halve the square. By torch's start it is 0.004.
    assert 1 < out.square().mean() < 4


TORCHVISION = """
from torch import nn

def list_models(module=None, include=None, exclude=None):
    assert module.__name__ == "torchvision.models"
    return ["squeezenet1_1", "vgg11", "googlenet"]

def get_model(name, *, weights, num_classes, aux_logits=True):
    assert weights is None and (name == "googlenet") == (not aux_logits)
    pool = nn.AdaptiveAvgPool2d(1) if name != "vgg11" else nn.MaxPool2d(32)
    return nn.Sequential(nn.Conv2d(3, num_classes, 1), pool, nn.Flatten())
"""


@pytest.fixture
def another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a package that is imported as torchvision, as long as the test takes."""
    folder = tmp_path / "torchvision"
    folder.mkdir()
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    names = [name for name in sys.modules if name.partition(".")[0] == "torchvision"]
    own = {name: sys.modules.pop(name) for name in names}
    yield folder
    for name in ("torchvision", "torchvision.models"):
        sys.modules.pop(name, None)
    sys.modules.update(own)


@pytest.mark.parametrize("own", [True, False])
def test_other_backbones_are_those_of_torchvision(
    own: bool, request: pytest.FixtureRequest
) -> None:
    if own:
        pytest.importorskip("torchvision.models", exc_type=Exception)
    else:  # what is called of it, as it is documented
        (request.getfixturevalue("another") / "models.py").write_text(TORCHVISION)
    words = Vocabulary(("a", "b"), image=(1, 32, 32))
    model = TASK.model(config("images", backbone="squeezenet1_1", reconstruct=0.0), words)
    assert model(torch.zeros(1, 1, 32, 32, dtype=torch.uint8)).scores.shape == (1, 2)
    network = backbone("googlenet", (1, 32, 32), 8).train()
    assert network(torch.zeros(2, 1, 32, 32)).shape == (2, 8)
    with pytest.raises(ValueError, match="vgg11 cannot see images of 9 x 7 pixels"):
        backbone("vgg11", (3, 7, 9), 8)
    with pytest.raises(ValueError, match="backbone must be mlp, resnet or"):
        TASK.model(config("images", backbone="no_such"), words)


def test_torchvision_of_another_torch_is_said(another: Path) -> None:
    text = 'raise RuntimeError("operator torchvision::nms does not exist")'
    (another / "__init__.py").write_text(text)
    with pytest.raises(ImportError, match=r"resnet18', does not fit torch .*nms does not exist"):
        backbone("resnet18", (3, 32, 32), 8)


def test_a_run_from_images_to_answers(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert (
        main(
            [
                "train",
                "images",
                *NET,
                f"--data={folder}",
                "--steps=60",
                "--learning-rate=0.01",
                f"--output={run}",
            ]
        )
        == 0
    )
    assert {"confusion.png", "latents.png", "anchors.png"} <= {path.name for path in run.iterdir()}
    capsys.readouterr()
    (tmp_path / "mixed").mkdir()
    Image.new("L", (40, 30), 225).save(tmp_path / "mixed" / "light.png")
    Image.new("L", (4, 4), 35).save(tmp_path / "mixed" / "dark.gif")
    (tmp_path / "mixed" / "broken.png").write_bytes(b"nothing")
    out = tmp_path / "out"
    assert call("classify", tmp_path / "mixed", "--checkpoint", run, "--output", out) == 2
    said = capsys.readouterr()
    assert "1 of 3 files could not be classified" in said.err
    assert json.loads((out / "light-class.json").read_text())["category"] == "light"
    assert json.loads((out / "dark-class.json").read_text())["category"] == "dark"
    model = nvc3d.load(run)
    answers = model([folder / "dark" / "0.png", np.full((9, 5, 3), 230, np.uint8)])
    assert [answer.category for answer in answers] == ["dark", "light"]
    assert model(torch.full((3, 6, 6), 0.9)).category == "light"
    assert call("eval", "--checkpoint", run, "--data", folder, "--json") == 0
    assert json.loads(capsys.readouterr().out)["overall"]["images"]["accuracy"] == 1


def test_without_labels_the_anchors_answer(tmp_path: Path, capsys) -> None:
    idx(tmp_path, "train", 16)
    run = tmp_path / "run"
    words = [f"--data={tmp_path}", "--labelled=0", "--steps=2", f"--output={run}"]
    assert main(["train", "images", *NET, *words]) == 0
    assert "purity" in (said := capsys.readouterr().out) and "accuracy" not in said
    assert nvc3d.load(run)(np.zeros((6, 6))).category.startswith("anchor ")
    words[2:] = ["--reconstruct=0", f"--output={tmp_path / 'none'}"]
    assert main(["train", "images", *NET, *words]) == 2
    assert "no label is used, so images must be decoded" in capsys.readouterr().err


def test_files_of_another_kind_of_model_are_not_taken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = untrained(tmp_path / "run", "completion")
    assert call("classify", tmp_path, "--checkpoint", run) == 2
    assert "of task completion, not of classification or images" in capsys.readouterr().err
    assert len(digits()) == 1797
