"""Tags and cover art, from one file to another, as far as the other's format can hold them."""

from __future__ import annotations

import base64
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

# Vorbis comment (FLAC, Ogg, Opus), ID3v2.4 frame (MP3, WAV, AIFF), MP4 atom
_FIELDS = (
    ("title", "TIT2", "\xa9nam"),
    ("artist", "TPE1", "\xa9ART"),
    ("album", "TALB", "\xa9alb"),
    ("albumartist", "TPE2", "aART"),
    ("composer", "TCOM", "\xa9wrt"),
    ("genre", "TCON", "\xa9gen"),
    ("date", "TDRC", "\xa9day"),
    ("copyright", "TCOP", "cprt"),
)
_FRONT_COVER = 3
_PICTURE_COMMENT = "metadata_block_picture"
_UTF8 = 3
_MP4_IMAGES = {"image/jpeg": 13, "image/png": 14}


class Tags(NamedTuple):
    """What is known about a recording."""

    fields: dict[str, list[str]]
    """By the name of their Vorbis comment."""
    cover: bytes
    """An image, or nothing."""
    cover_type: str
    """Its MIME type."""


def copy_tags(source: Path, target: Path) -> None:
    """Give ``target`` the tags and the cover of ``source``.

    A file whose tags cannot be read has none, and a format that cannot hold tags gets none.
    """
    tags = read_tags(source)
    if tags.fields or tags.cover:
        _write_tags(target, tags)


def read_tags(path: Path) -> Tags:
    """Return a file's tags, empty where it has none that can be read."""
    file = _open(path)
    if file is None or not file.tags:
        return Tags({}, b"", "")
    kind = _kind(file)
    column = ("vorbis", "id3", "mp4").index(kind)
    fields = {}
    for names in _FIELDS:
        value = file.tags.get(names[column])
        if value:
            texts = value.text if kind == "id3" else value
            fields[names[0]] = [str(text) for text in texts]
    return Tags(fields, *_read_cover(file, kind))


def _write_tags(path: Path, tags: Tags) -> None:
    file: Any = _open(path)
    if file is None:
        return
    kind = _kind(file)
    tagged: Any = file.tags
    if tagged is None:
        file.add_tags()
        tagged = file.tags
    for comment, frame, atom in _FIELDS:
        if comment not in tags.fields:
            continue
        if kind == "id3":
            from mutagen import id3

            tagged.add(getattr(id3, frame)(encoding=_UTF8, text=tags.fields[comment]))
        else:
            tagged[comment if kind == "vorbis" else atom] = tags.fields[comment]
    if tags.cover:
        _write_cover(file, kind, tags)
    _save(file)


def _open(path: Path) -> Any:
    import mutagen  # needed once a file, not at the start

    with suppress(mutagen.MutagenError, OSError):
        return mutagen.File(path)
    return None


def _save(file: Any) -> None:
    """Save, and raise the system's own error rather than mutagen's wrapping of it."""
    import mutagen

    try:
        file.save()
    except mutagen.MutagenError as error:
        cause = error.args[0] if error.args else error
        raise cause if isinstance(cause, OSError) else OSError(str(cause)) from error


def _kind(file: Any) -> str:
    from mutagen.id3 import ID3FileType
    from mutagen.mp4 import MP4

    if isinstance(file, MP4):
        return "mp4"
    is_id3 = isinstance(file, ID3FileType) or type(file).__name__ in {"WAVE", "AIFF"}
    return "id3" if is_id3 else "vorbis"


def _read_cover(file: Any, kind: str) -> tuple[bytes, str]:
    from mutagen import MutagenError
    from mutagen.flac import Picture

    if kind == "mp4":
        covers = file.tags.get("covr") or []
        types = {code: mime for mime, code in _MP4_IMAGES.items()}
        return (bytes(covers[0]), types.get(covers[0].imageformat, "")) if covers else (b"", "")
    if kind == "id3":
        pictures = file.tags.getall("APIC")
    else:
        pictures = getattr(file, "pictures", [])
        with suppress(MutagenError, ValueError):  # a comment that holds no picture
            coded = file.tags.get(_PICTURE_COMMENT) or []
            pictures = pictures or [Picture(base64.b64decode(text)) for text in coded]
    return (pictures[0].data, pictures[0].mime) if pictures else (b"", "")


def _write_cover(file: Any, kind: str, tags: Tags) -> None:
    from mutagen import flac, id3, mp4

    if kind == "mp4":
        if tags.cover_type in _MP4_IMAGES:
            image = mp4.MP4Cover(tags.cover, _MP4_IMAGES[tags.cover_type])
            file.tags["covr"] = [image]
    elif kind == "id3":
        file.tags.add(
            id3.APIC(
                encoding=_UTF8, mime=tags.cover_type, type=_FRONT_COVER, desc="", data=tags.cover
            )
        )
    else:
        picture = flac.Picture()
        picture.data, picture.mime, picture.type = tags.cover, tags.cover_type, _FRONT_COVER
        if isinstance(file, flac.FLAC):
            file.add_picture(picture)
        else:
            file.tags[_PICTURE_COMMENT] = base64.b64encode(picture.write()).decode("ascii")
