"""Text: files, pieces, batches; and translation from a grammar to lines in a file."""

from __future__ import annotations

import gzip
import io
import json
import random
import re
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("sentencepiece")
pytest.importorskip("sacrebleu")

import sacrebleu

import nvc3d
from nvc3d.adapters.text import grammar
from nvc3d.adapters.text.batches import Buckets
from nvc3d.adapters.text.lines import LONGEST, lines_of, read_lines, tidy
from nvc3d.adapters.text.pairs import find
from nvc3d.adapters.text.pieces import SPECIAL, Pieces
from nvc3d.adapters.text.topics.listing import typical
from nvc3d.adapters.text.translation import TranslationModel
from nvc3d.adapters.text.translation.answer import translate
from nvc3d.adapters.text.translation.beam import search
from nvc3d.cli import main
from nvc3d.config import TrainConfig
from nvc3d.tasks import TASKS
from nvc3d.train import evaluation_batches
from tests.tiny import config, untrained

TASK = TASKS["translation"]


@pytest.fixture(scope="module", autouse=True)
def few() -> Iterator[None]:
    """The grammar says little, so that nothing takes long."""
    with pytest.MonkeyPatch.context() as patch:
        for part, size in (("train", 400), ("val", 40), ("test", 16)):
            patch.setitem(grammar.SIZES, part, size)
        yield


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of a short training on the built-in grammar."""
    run = tmp_path_factory.mktemp("run") / "x"
    size = ("--dim=32", "--layers=1", "--hidden=32", "--pieces=200", "--anchors=4")
    more = ("--latent-dim=8", "--batch-pieces=800", "--steps=20")
    assert main(["train", "translation", f"--output={run}", *size, *more]) == 0
    return run


def lines(content: bytes) -> list[str]:
    return lines_of(io.BufferedReader(io.BytesIO(content)), "x")  # type: ignore[type-var]


def model(**change: Any) -> TranslationModel:
    own = config("translation", **change)
    torch.manual_seed(0)
    network = TASK.model(own, TASK.data(own).vocabulary).eval()
    assert isinstance(network, TranslationModel)
    return network


# --- files ----------------------------------------------------------------------------------------


def test_lines_end_where_the_file_ends_them_and_are_tidy() -> None:
    data = "\ufeffein\u2028Hund \r\n\n  e\u0301t\u00e9\tx \nlast".encode()
    assert lines(data) == lines(gzip.compress(data))
    assert [tidy(line) for line in lines(data)] == ["ein Hund", "", "\u00e9t\u00e9 x", "last"]
    assert lines(b"") == [] and lines(b"\n") == [""]


def test_what_is_no_text_is_said_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"x: line 3 is not UTF-8 \(byte 0xe4\)"):
        lines(b"a\nb\nM\xe4nner\n")
    whole = gzip.compress(random.Random(0).randbytes(99).hex().encode())
    for broken in (whole[:-9], whole[:60], whole[:40] + b"?" + whole[41:]):
        with pytest.raises(ValueError, match="x is no whole gzip file"):
            lines(broken)
    file = tmp_path / "newstest-src.de.sgm"
    file.write_text('<doc>\n<seg id="1">A &amp; B</seg>\n<seg id="2"></seg>\n</doc>')
    assert read_lines(file) == ["A & B", ""]


def test_an_endless_line_is_refused_before_its_end() -> None:
    class Endless(io.RawIOBase):
        left = 3 * LONGEST

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            self.left -= len(buffer)
            assert self.left > 0, "more was read than is needed"
            buffer[:] = b"x" * len(buffer)
            return len(buffer)

    said = "line {} has more than the 1,000,000 bytes that a line may have"
    with pytest.raises(ValueError, match=f"zero: {said.format(1)}"):
        lines_of(io.BufferedReader(Endless()), "zero")
    with pytest.raises(ValueError, match=said.format(2)):
        lines(gzip.compress(b"a\n" + b"x" * (LONGEST + 1)))


def test_parallel_text_is_found_by_its_names(tmp_path: Path) -> None:
    (tmp_path / "train.de.gz").write_bytes(gzip.compress(b"eins\nzwei\n"))
    (tmp_path / "train.en").write_text("one\ntwo\n")
    (tmp_path / "newstest2014-src.de").write_text("drei\n")
    (tmp_path / "newstest2014-ref.en").write_text("three\n")
    (tmp_path / "dev.en-de.tsv").write_text("four\tvier\t#1\n")
    (tmp_path / "train.fr").write_text("un\n")
    found = find(str(tmp_path), "de", "en")
    assert found["train"] == (["eins", "zwei"], ["one", "two"])
    assert found["test"] == (["drei"], ["three"]) and found["val"] == (["vier"], ["four"])
    assert find(str(tmp_path), "en", "de")["val"] == (["four"], ["vier"])
    with pytest.raises(ValueError, match=r"holds no parallel text: files NAME\.nl and NAME\.it"):
        find(str(tmp_path), "nl", "it")
    with pytest.warns(UserWarning, match=r"train\.fr is left out"), pytest.raises(ValueError):
        find(str(tmp_path), "fr", "it")


def test_files_of_unequal_length_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.de").write_text("eins\nzwei\n")
    (tmp_path / "a.en").write_text("one\n")
    with pytest.raises(ValueError, match=r"2 lines and a\.en 1: line 2 of a\.de has no transl"):
        find(str(tmp_path), "de", "en")
    (tmp_path / "b.tsv").write_text("eins\tone\nzwei two\n")
    with pytest.raises(ValueError, match=r"b\.tsv: line 2 has no tab"):
        find(str(tmp_path / "b.tsv"), "de", "en")


def test_pairs_that_teach_nothing_are_counted(tmp_path: Path) -> None:
    pairs = [
        "ein Hund\ta dog",
        "\tnothing",
        "eine Katze\ta cat",
        "x " * 200 + "\ty",
        "ein Ei\tan egg",
    ]
    (tmp_path / "train.tsv").write_text("\n".join(pairs))
    (tmp_path / "val.tsv").write_text("\n".join(pairs[:2]))
    own = config("translation", data=str(tmp_path), longest=30)
    longer = "1 of 4 pairs are not learned from: they have more than"
    empty = "1 of 5 pairs are left out: one of their sides is empty"
    with pytest.warns(UserWarning, match=longer), pytest.warns(UserWarning, match=empty):
        splits = TASK.splits(own)
    learned, kept = (
        [text for i in range(len(items)) for text in items[i]["source"]]
        for items in (splits.train, splits.val)
    )
    assert sorted(learned) == ["ein Ei", "ein Hund", "eine Katze"] and kept == ["ein Hund", ""]
    (tmp_path / "val.tsv").unlink()
    with pytest.warns(UserWarning, match=empty):
        splits = TASK.splits(config("translation", data=str(tmp_path), longest=500, holdout=0.25))
    assert len(splits.val[0]["source"]) == 1
    (tmp_path / "train.tsv").write_text("\tnothing\n")
    with pytest.raises(ValueError, match="no pair has a sentence on both sides"):
        TASK.splits(own)


# --- pieces and batches ---------------------------------------------------------------------------


def test_pieces_are_made_again_from_their_names() -> None:
    texts = grammar.pairs("de", "en", 0)["val"].source
    first = Pieces.learned(texts, 150)
    again = Pieces(first.names)
    assert len(first) == 150 and first.names[:4] == SPECIAL
    assert again.encode(texts) == first.encode(texts)
    assert again.sizes(texts) == [*map(len, first.encode(texts))]
    assert again.decode(again.encode(texts)) == texts
    with pytest.warns(UserWarning) as caught:
        again.warn_of_unknown([texts[0], "ein Žbán 猫", "Ž\u200b\u2581"])
    (said,) = [str(one.message) for one in caught]
    assert said.startswith("2 of 3 texts, the first of them number 2, have characters")
    assert said.endswith("never saw: á Ž U+200B ▁ 猫")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again.warn_of_unknown(texts)
    with pytest.raises(ValueError, match="pieces must begin with"):
        Pieces(["a", "b"])


def test_buckets_hold_every_text_once_and_as_many_as_they_may() -> None:
    sizes = [random.Random(i).randrange(1, 40) for i in range(300)] + [500]
    buckets = Buckets({"source": [*range(301)]}, sizes, 200, 1)
    seen = []
    for epoch in (0, 1):
        buckets.set_epoch(epoch)
        items = [buckets[i]["source"] for i in range(len(buckets))]
        assert sorted(i for item in items for i in item) == [*range(301)]
        assert all(max(sizes[i] for i in item) * len(item) <= 200 for item in items[:-1])
        seen.append(items)
    assert len(seen[0]) == len(seen[1]) and seen[0] != seen[1]


def test_the_grammar_repeats_no_sentence() -> None:
    parts = grammar.pairs("de", "en", 3)
    sentences = [text for pairs in parts.values() for text in pairs.source]
    assert len({*sentences}) == len(sentences) == sum(grammar.SIZES.values())
    assert grammar.pairs("en", "de", 3)["val"].source == parts["val"].target
    with pytest.raises(ValueError, match="the built-in sentences are in de and en, got de and fr"):
        grammar.pairs("de", "fr", 0)


# --- the model ------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", [{}, {"code": "pieces"}, {"code": "none"}, {"each_step": True}])
def test_decoding_by_a_cache_says_what_the_whole_does(change: dict[str, Any]) -> None:
    network = model(**change).double()
    source, target = (
        network.numbers(["Der Hund", "Ein Ball liegt"]),
        network.numbers(["A dog, and"]),
    )
    memory, _ = network.remember(source)
    whole = network.decoder(memory, target.expand(2, -1))
    cache = network.decoder.start(memory)
    for place in range(target.shape[1]):
        step = network.decoder.next(cache, target[:, place].expand(2, 1), place)
        torch.testing.assert_close(step[:, 0], whole[:, place])


def test_padding_and_what_is_yet_to_come_do_not_matter() -> None:
    network = model()
    alone = network(network.numbers(["Ein Hund"]), network.numbers(["A dog"]))
    both = network(
        network.numbers(["Ein Hund", "Das ist ein sehr langer Satz"]),
        network.numbers(["A dog", "This one is longer"]),
    )
    torch.testing.assert_close(both.scores[: len(alone.scores)], alone.scores)


@torch.no_grad()
def test_a_wide_beam_finds_the_best_of_all() -> None:
    network = model().double()
    memory, _ = network.remember(network.numbers(["Ein Hund"]))
    (found,) = search(network.decoder, memory, torch.tensor([2]), 100, 0.0)
    pieces, end = range(4, len(network.pieces)), 3
    every = [[end], *([a, end] for a in pieces), *([a, b] for a in pieces for b in pieces)]
    best: tuple[float, list[int]] = (-1e9, [0])
    for size in (1, 2):
        rows = torch.tensor([row for row in every if len(row) == size])
        begun = torch.cat([torch.full((len(rows), 1), 2), rows[:, :-1]], 1)
        many = memory._replace(
            pieces=memory.pieces.expand(len(rows), -1, -1),
            filled=memory.filled.expand(len(rows), -1),
        )
        told = network.decoder.scores(network.decoder(many, begun)).log_softmax(-1)
        total = told.gather(2, rows[..., None]).sum((1, 2))
        best = max(best, (float(total.max()), rows[int(total.argmax())].tolist()))
    assert found.log_probability == pytest.approx(best[0])
    assert found.pieces == [piece for piece in best[1] if piece != end]


def test_the_constraint_is_free_below_the_free_bits() -> None:
    batch = {"source": ["Ein Hund"] * 3, "target": ["A dog"] * 3}
    for free_bits in (0.0, 1e6):
        network = model(bottleneck="vae", free_bits=free_bits, code="pieces").train()
        for _ in range(2):
            terms = TASK.loss(network, batch)
            terms["total"].backward()
        assert bool(terms["nebula"] > 0) == (free_bits == 0)
        assert bool(terms["kl"] > 0)


def test_hidden_words_are_told_all_the_same() -> None:
    network = model(word_dropout=0.9, dropout=0.0).train()
    numbers = network.numbers(["A small dog and a cat"])
    torch.manual_seed(1)
    assert not torch.equal(network(numbers, numbers).scores, network(numbers, numbers).scores)
    with torch.no_grad():
        assert network.eval()(numbers, numbers).scores.isfinite().all()


# --- translations ---------------------------------------------------------------------------------


def test_a_run_is_measured_and_its_file_has_sacrebleus_number(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    test = grammar.pairs("de", "en", 0)["test"]
    (tmp_path / "test.de").write_text("".join(f"{text}\n" for text in test.source))
    argument = ["translate", str(tmp_path / "test.de"), f"--checkpoint={trained}"]
    assert main([*argument, f"--output={tmp_path / 'out'}"]) == 0
    lines = (tmp_path / "out").read_text().splitlines()
    assert len(lines) == len(test.source)
    capsys.readouterr()
    assert main(["eval", f"--checkpoint={trained}", "--test", "--json"]) == 0
    row = json.loads(capsys.readouterr().out)["overall"]["translation"]
    assert row["BLEU"] == pytest.approx(sacrebleu.corpus_bleu(lines, [test.target]).score)
    assert {"chrF", "KL", "active units", "anchors used"} < {*row}
    assert {"latents.png", "translations.tsv"} < {path.name for path in trained.iterdir()}
    assert main(["eval", f"--checkpoint={trained}"]) == 0
    assert "in 95 % of 1,000 resamples" in capsys.readouterr().out


def test_a_text_is_translated_the_same_among_any_others(trained: Path) -> None:
    told = nvc3d.load(trained)
    texts = [*grammar.pairs("de", "en", 0)["test"].source, "", "  ", "Hund", "Ein Ž."]
    with pytest.warns(UserWarning, match="characters that the model never saw: Ž"):
        together = {one.source: one for one in told(texts)}
        random.Random(0).shuffle(texts)
        assert {one.source: one.text for one in told(texts[:11])} == {
            one: together[one].text for one in {" ".join(text.split()) for text in texts[:11]}
        }
    alone = told("Hund")
    assert alone.text == together["Hund"].text
    assert alone.log_probability == pytest.approx(together["Hund"].log_probability, abs=1e-9)
    assert together[""].text == ""


def test_an_endless_line_is_translated_in_parts(trained: Path) -> None:
    network: Any = nvc3d.load(trained).network
    sentence = grammar.pairs("de", "en", 0)["test"].source[0]
    with pytest.warns(UserWarning, match="1 texts, the first of them number 2, have more than 128"):
        short, long = translate(network, [sentence, " ".join([sentence] * 30)], beam=1)
    assert long.text.startswith(short.text) and "\n" not in long.text
    with pytest.warns(UserWarning):
        assert translate(network, ["x" * 1000], beam=1)[0].source == "x" * 1000


def test_sentences_files_and_standard_input_are_translated_line_by_line(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = untrained(tmp_path / "run", "translation")
    (tmp_path / "x.de.gz").write_bytes(gzip.compress(b"Ein Hund.\n\nEine Katze.\n"))
    (tmp_path / "none").touch()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(b"Ein Ball."))))
    words = ["Ein Mann.", str(tmp_path / "x.de.gz"), "-"]
    assert main(["translate", *words, f"--checkpoint={run}", "--beam=2"]) == 0
    lines = capsysbinary.readouterr().out.decode().split("\n")
    assert len(lines) == 6 and lines[2] == lines[5] == ""
    assert main(["translate", "", str(tmp_path / "none"), f"--checkpoint={run}"]) == 0
    assert capsysbinary.readouterr().out == b"\n"
    out = tmp_path / "out.gz"
    assert (
        main(["translate", *words[:2], f"--checkpoint={run}", "--beam=2", f"--output={out}"]) == 0
    )
    assert gzip.decompress(out.read_bytes()).decode().split("\n") == [*lines[:4], ""]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["missing.de"], "there is no file missing.de"),
        (["x", "--beam=0"], "--beam must be at least 1, got 0"),
        (["x", "--chekpoint=r"], "did you mean --checkpoint?"),
    ],
)
def test_what_cannot_be_translated_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    run = untrained(tmp_path / "run", "translation")
    assert main(["translate", *words, f"--checkpoint={run}"]) == 2
    assert said in capsys.readouterr().err


def test_other_models_and_what_is_no_text_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = untrained(tmp_path / "run", "completion")
    assert main(["translate", "x", f"--checkpoint={run}"]) == 2
    assert "a model of task completion, not of translation" in capsys.readouterr().err
    told = nvc3d.load(untrained(tmp_path / "own", "translation"))
    for wrong in ([b"x"], b"x", 3, ["\ud800"]):
        with pytest.raises(ValueError, match="a text"):
            told(wrong)
    with pytest.raises(ValueError, match="have 1,000,000 characters, and number 2 has 1,000,001"):
        told(["x", "x" * (LONGEST + 1)])


def test_a_code_of_pieces_is_measured_too() -> None:
    own = config("translation", code="pieces", bottleneck="vae")
    splits = TASK.splits(own)
    network = TASK.model(own, splits.vocabulary)
    few = type(splits.val)({"source": ["Ein Hund.", "Zwei."], "target": ["A dog.", "Two."]})
    measured = TASK.metrics(network, evaluation_batches(few, TrainConfig(batch_size=1)), ())
    assert {*measured.overall["translation"]} == {"BLEU", "chrF", "KL", "active units"}


# --- topics ---------------------------------------------------------------------------------------


def test_anchors_are_topics_with_words_and_sentences(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [f"{one} {two}" for one in ("red", "blue", "green") for two in ("cat", "dog", "owl")]
    (tmp_path / "train.txt").write_text("\n".join(lines * 4))
    (tmp_path / "val.txt").write_text("\n".join(lines))
    run = tmp_path / "run"
    words = f"train topics --data={tmp_path} --output={run} --labelled=0 --steps=20 --anchors=3"
    size = "--dim=16 --layers=1 --heads=2 --hidden=16 --latent-dim=4 --pieces=40"
    assert main([*words.split(), *size.split()]) == 0
    assert "Topics, the largest first:" in capsys.readouterr().out
    listed = (run / "topics.txt").read_text().splitlines()
    assert listed[0].startswith("anchor ") and listed[1].strip() in lines
    for topic in re.split("(?m)^(?=anchor )", (run / "topics.txt").read_text())[1:]:
        head, *texts = topic.splitlines()
        assert len({*texts}) == len(texts) <= 3
        assert {*head.split(": ")[2].split()} <= {*["red", "blue", "green", "cat", "dog", "owl"]}
    told = nvc3d.load(run)(["red cat", "blue owl"])
    assert [one.category in one.categories for one in told] == [True, True]
    assert told[0].categories == ("anchor 0", "anchor 1", "anchor 2")
    (tmp_path / "x.tsv").write_text("a label\tred cat\n\nblue owl 猫\n")
    assert main(["classify", "red cat", str(tmp_path / "x.tsv"), f"--checkpoint={run}"]) == 0
    said = capsys.readouterr()
    first, same, empty, last = said.out.splitlines()
    assert first == same and first.startswith("anchor ") and first.endswith(" %  red cat")
    assert empty == "" and last.endswith("blue owl 猫")
    assert said.err.count("1 of 3 texts, the first of them number 3, have characters") == 1
    assert main(["classify", "x", f"--checkpoint={run}", "--output=out"]) == 2
    assert "--output is for shapes and images" in capsys.readouterr().err


def test_words_of_a_topic_are_those_it_has_more_of() -> None:
    own, other = Counter(["the", "red", "cat", "red"]), Counter(["the", "the", "blue", "cat"])
    assert typical([own], [own, other]) == ["red"]


def test_labelled_texts_are_classified() -> None:
    task = TASKS["topics"]
    own = config("topics", labelled=0.5)
    splits = task.splits(own)
    torch.manual_seed(0)
    network = task.model(own, splits.vocabulary).train()
    batch = splits.train.collate([splits.train[0], splits.train[1]])
    terms = task.loss(network, batch)
    assert set(terms) == {"total", "cross_entropy", "nebula", "words"}
    unused = [i for i, used in enumerate(batch["labelled"]) if not used]
    for i in unused:
        batch["label"][i] = "never heard of"
    torch.manual_seed(1)
    first = task.loss(network, batch)["cross_entropy"]
    batch["label"] = ["buy"] * len(batch["label"])
    torch.manual_seed(1)
    assert 0 < len(unused) < len(batch["label"])
    assert not torch.equal(task.loss(network, batch)["cross_entropy"], first)
    measured = task.metrics(
        network, evaluation_batches(splits.val, TrainConfig()), splits.vocabulary.groups
    )
    assert {"accuracy", "NMI", "nats"} < {*measured.overall["topics"]}
    answer = task.answer(network, own, "Two dogs buy a ball.")
    assert answer.categories == splits.vocabulary.groups and answer.novelty is not None
    with pytest.raises(ValueError, match="a text must have words in it, got an empty one"):
        task.answer(network, own, " ")


@pytest.mark.parametrize(
    ("text", "change", "said"),
    [
        ("a\tx\na\ty\na\tz\n" * 9, {}, "two labels at least, or --labelled 0, got a"),
        ("x\ny\nz\n" * 9, {"words": 0.0}, "no label is used, so the pieces must be told"),
        ("\n\n", {}, "holds no text"),
    ],
)
def test_texts_that_teach_nothing_are_refused(
    tmp_path: Path, text: str, change: dict[str, Any], said: str
) -> None:
    (tmp_path / "t.tsv").write_text(text)
    with pytest.raises(ValueError, match=said):
        TASKS["topics"].splits(config("topics", data=str(tmp_path / "t.tsv"), **change))
