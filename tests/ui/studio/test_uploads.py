"""What looking at a picture that somebody brings costs, and what it says."""

import threading
from io import BytesIO
from pathlib import Path

import pytest
from PIL import ExifTags, Image, ImageFile

from ui.studio.uploads import Uploads


def jpeg(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    file = BytesIO()
    Image.new("RGB", (6, 4)).save(file, "JPEG", exif=exif)
    return file.getvalue()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_size_is_that_of_the_picture_the_right_way_up(tmp_path: Path, orientation: int) -> None:
    taken = Uploads(tmp_path).take("somebody", jpeg(orientation))
    assert (taken.width, taken.height) == ((6, 4) if orientation < 5 else (4, 6))


def test_two_pictures_at_most_are_decoded_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    two, go, lock = threading.Event(), threading.Event(), threading.Lock()
    now, most = 0, 0

    def load(_: ImageFile.ImageFile) -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
            if now == 2:
                two.set()
        go.wait(10)
        with lock:
            now -= 1

    monkeypatch.setattr("PIL.JpegImagePlugin.JpegImageFile.load", load)
    uploads, content = Uploads(tmp_path), jpeg(1)
    threads = [threading.Thread(target=uploads.take, args=("somebody", content)) for _ in range(6)]
    for thread in threads:
        thread.start()
    assert two.wait(10)
    threads[-1].join(0.2)  # time for a third to begin, if it could
    go.set()
    for thread in threads:
        thread.join(10)
    assert most == 2
