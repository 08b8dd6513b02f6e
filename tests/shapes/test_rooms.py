"""Built-in rooms: furniture where furniture can stand."""

from __future__ import annotations

import numpy as np
import pytest

from nvc3d.data.scenes.rooms import BLOCKS, RoomBlocks
from nvc3d.shapes.rooms import ROOM_CLASSES, BuiltinRooms, furnish, make_room


@pytest.mark.parametrize("seed", range(12))
def test_things_stand_within_the_walls_and_not_in_one_another(seed: int) -> None:
    size, things = furnish(seed)
    assert len(things) >= 2
    for i, thing in enumerate(things):
        assert (thing.low >= -1e-9).all() and (thing.high <= np.array(size)).all()
        below = [t for t in things if abs(t.high[2] - thing.low[2]) < 1e-9]
        stands_on = any(
            (t.low[:2] <= thing.low[:2]).all() and (thing.high[:2] <= t.high[:2]).all()
            for t in below
        )
        assert thing.low[2] == pytest.approx(0, abs=1e-9) or stands_on
        for other in things[:i]:
            apart = (thing.low >= other.high - 1e-9) | (other.low >= thing.high - 1e-9)
            assert apart.any(), (thing.name, other.name)


def test_a_room_is_labelled_by_class_and_always_the_same() -> None:
    room, again = make_room(5), make_room(5)
    assert np.array_equal(room.vertices, again.vertices)
    assert np.array_equal(room.face_labels, again.face_labels)
    assert room.label_names == ROOM_CLASSES
    size, things = furnish(5)
    assert set(room.face_labels) == {0, 1, *(ROOM_CLASSES.index(t.name) for t in things)}
    floor = room.vertices[room.faces[room.face_labels == 0]]
    assert (floor[..., 2] == 0).all() and floor.max() == max(size[:2])
    assert not np.array_equal(room.vertices, make_room(6).vertices)


def test_a_chair_at_a_table_faces_it() -> None:
    met = 0
    for seed in range(20):
        things = furnish(seed)[1]
        for chair in (t for t in things if t.name == "chair"):
            table = min(
                (t for t in things if t.name == "table"),
                key=lambda t: np.linalg.norm((t.low + t.high - chair.low - chair.high)[:2]),
            )
            toward = (table.low + table.high - chair.low - chair.high)[:2]
            back = chair.vertices[chair.vertices[:, 2] > 0.95 * chair.high[2]].mean(0)
            middle = (chair.low + chair.high) / 2
            met += 1
            assert (back - middle)[:2] @ toward < 0
    assert met > 5


def test_sets_share_no_room() -> None:
    sets = [BuiltinRooms("train", 3), BuiltinRooms("test", 3), BuiltinRooms("train", 3, seed=1)]
    walls = [tuple(mesh.vertices.max(0)) for some in sets for mesh, _, _ in some]
    assert len(set(walls)) == 9
    assert sets[1][2][1:] == (0, "room-test-00002")
    with pytest.raises(ValueError, match="split must be one of"):
        BuiltinRooms("all")


def test_blocks_are_columns_of_a_room_with_its_labels() -> None:
    blocks = RoomBlocks(BuiltinRooms("test", 2), 256, 1.0, seed=0, training=False)
    assert len(blocks) == 2 * BLOCKS
    item, again = blocks[3], blocks[3]
    assert item["points"].shape == item["features"].shape == (256, 3)
    assert float(item["points"][:, :2].abs().max()) <= 0.5 + 1e-6
    # Two hundredths of the points lie beyond the ends of an axis.
    assert bool((item["features"] > -0.05).all()) and bool((item["features"] < 1.05).all())
    assert all(bool((item[name] == again[name]).all()) for name in ("points", "point_labels"))
    low = item["points"][:, 2] < 1e-4
    assert bool(
        (item["point_labels"][low] <= 1).float().mean() > 0.9
    )  # floor, and the foot of a wall
