"""A hostile folder: deep, wide, full of links, fifos and lies. The app walks, copies and deletes it calmly."""

import os
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m3studio.sandbox import Limits, workspace
from m3studio.sandbox.mirror import Mirror, printable


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "folder").mkdir()
    opened = workspace.open_folder(tmp_path / "folder")
    yield opened
    os.close(opened)


@pytest.fixture
def mirror(tmp_path, folder):
    (tmp_path / "inside").mkdir()
    inside = workspace.open_folder(tmp_path / "inside")
    yield Mirror(folder, inside, Limits(workspace_files=20, workspace_depth=5, workspace_bytes=1000), None)
    os.close(inside)


def deep(root, levels):
    here = os.dup(root)
    for _ in range(levels):
        os.mkdir("d", dir_fd=here)
        inner = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)


def test_twenty_thousand_nested_folders_are_bounded_and_deleted(tmp_path, folder):
    deep(folder, 20_000)
    with pytest.raises(workspace.TooMuch, match="deeper than 40"):
        list(workspace.walk(folder, 100_000, 40))
    found, note = workspace.stamps(folder, 2000, 40)
    assert len(found) == 40 and "deeper" in note
    workspace.erase(tmp_path / "folder")
    assert not (tmp_path / "folder").exists()


def test_a_wide_folder_is_bounded(tmp_path, folder):
    for number in range(60):
        (tmp_path / "folder" / str(number)).touch()
    found, note = workspace.stamps(folder, 50, 40)
    assert len(found) == 50 and "more than 50" in note


def test_links_are_seen_and_never_followed(tmp_path, folder):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("x")
    (tmp_path / "folder" / "link").symlink_to(tmp_path / "outside")
    assert list(workspace.stamps(folder, 50, 40)[0]) == ["link"]
    with pytest.raises(OSError), workspace.parent(folder, "link/secret"):
        pass
    assert workspace.read_start(folder, "link/secret", 10) == b""
    workspace.erase(tmp_path / "folder")
    assert (tmp_path / "outside" / "secret").exists()


def test_folders_without_rights_are_deleted_too(tmp_path, folder):
    (tmp_path / "folder" / "a" / "b").mkdir(parents=True)
    (tmp_path / "folder" / "a" / "b").chmod(0)
    (tmp_path / "folder" / "a").chmod(0)
    workspace.erase(tmp_path / "folder")
    assert not (tmp_path / "folder").exists()
    workspace.erase(tmp_path / "folder")


def test_pictures_are_known_by_their_bytes(tmp_path, folder):
    (tmp_path / "folder" / "a.png").write_bytes(b"\x89PNG\r\n\x1a\nxxx")
    (tmp_path / "folder" / "b.png").write_bytes(b"<script>")
    (tmp_path / "folder" / "c.svg").write_bytes(b"\x89PNG\r\n\x1a\nxxx")
    os.mkfifo(tmp_path / "folder" / "d.png")
    assert [name for name in ("a.png", "b.png", "c.svg", "d.png", "e.png") if workspace.is_picture(folder, name)] == [
        "a.png"
    ]


def test_a_copy_leaves_out_what_is_no_file(tmp_path, folder, mirror):
    place = tmp_path / "inside"
    os.mkfifo(place / "fifo.png")
    (place / "good").symlink_to("file")
    (place / "bad").symlink_to("/etc/passwd")
    (place / "worse").symlink_to("../outside")
    (place / "sub").mkdir()
    (place / "sub" / "file").write_text("x")
    assert mirror.fetch()[0] == ["sub/file"]
    assert sorted(path.name for path in (tmp_path / "folder").iterdir()) == ["good", "sub"]


def test_special_bits_are_not_copied(tmp_path, folder, mirror):
    (tmp_path / "inside" / "program").write_text("x")
    (tmp_path / "inside" / "program").chmod(0o6755)
    mirror.fetch()
    assert stat.S_IMODE((tmp_path / "folder" / "program").stat().st_mode) == 0o755


def test_a_link_that_takes_the_place_of_a_folder_on_disk_is_replaced(tmp_path, folder, mirror):
    (tmp_path / "outside").mkdir()
    (tmp_path / "folder" / "d").symlink_to(tmp_path / "outside")
    (tmp_path / "inside" / "d").mkdir()
    (tmp_path / "inside" / "d" / "new").write_text("x")
    assert mirror.fetch()[0] == ["d/new"]
    assert not list((tmp_path / "outside").iterdir())


def test_both_sides_follow_each_other(tmp_path, mirror):
    disk, inside = tmp_path / "folder", tmp_path / "inside"
    (disk / "up").write_text("1")
    assert mirror.bring() == "" and (inside / "up").read_text() == "1"
    (inside / "up").write_text("22")
    (inside / "new").mkdir()
    assert mirror.fetch() == (["up"], "") and (disk / "up").read_text() == "22"
    (disk / "up").unlink()
    mirror.bring()
    assert not (inside / "up").exists()
    (inside / "new").rmdir()
    (inside / "new").write_text("now a file")
    assert mirror.fetch()[0] == ["new"]


def test_sparse_files_count_as_their_copies_would(tmp_path, mirror):
    for number in range(3):
        os.truncate(os.open(tmp_path / "inside" / str(number), os.O_CREAT | os.O_RDWR), 600)
    kept, note = mirror.fetch()
    assert len(kept) == 1 and "could not be kept" in note and mirror.cut


def test_what_is_over_the_number_is_not_kept(tmp_path, mirror):
    for number in range(40):
        (tmp_path / "inside" / str(number)).touch()
    kept, note = mirror.fetch()
    assert len(kept) <= 20 and "more than 20" in note
    assert len(list((tmp_path / "folder").iterdir())) <= 20


def test_new_files_never_take_a_name_that_is_there(tmp_path, folder):
    (tmp_path / "folder" / "out-1.txt").symlink_to("/etc/passwd")
    assert workspace.create(folder, "out", ".txt", b"x") == "out-2.txt"


@given(st.text(max_size=30))
def test_names_are_shown_on_one_line(name):
    assert printable(name).isprintable()


@pytest.mark.parametrize(("path", "text", "good"), [("a", "b", True), ("a/b", "../c", True), ("a", "../c", False), ("a/b", "../../c", False), ("a", "/etc", False), ("a/b/c", "./../../d/../x", True)])  # fmt: skip
def test_links_that_leave_are_known_by_their_words(path, text, good):
    assert workspace.harmless(path, text) is good
