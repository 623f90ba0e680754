"""Tags and cover art, from one file to another, as far as the other's format can hold them."""

from __future__ import annotations

import base64
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from daw_bridge.files.reach import ANYWHERE
from daw_bridge.files.riff import holds_samples_alone
from daw_bridge.files.seeking import SeekableFile

if TYPE_CHECKING:
    from pathlib import Path

    from daw_bridge.files.reach import Reach

_log = logging.getLogger(__name__)

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
_FFMPEG_NAMES = {"albumartist": "album_artist"}
_FFMPEG_IMAGES = {"mjpeg": "image/jpeg", "png": "image/png"}
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


def copy_tags(source: Path, target: BinaryIO, *, reach: Reach = ANYWHERE) -> None:
    """Give an open file the tags and the cover of ``source``, if that is within reach.

    A file whose tags cannot be read has none, and a format that cannot hold tags gets none. What
    does not fit is left out, and said.
    """
    tags = read_tags(source, reach=reach)
    if not tags.fields and not tags.cover:
        return
    from mutagen import MutagenError

    try:
        _write_tags(target, tags)
    except (MutagenError, ValueError) as error:
        _log.warning("The cover of %s does not fit into every file: %s; left out.", source, error)
        _write_tags(target, tags._replace(cover=b""))


def read_tags(path: Path, *, reach: Reach = ANYWHERE) -> Tags:
    """Return a file's tags, empty where it has none that can be read.

    Where mutagen does not know a format or one of its fields, as LIST chunks of WAV, APE and WMA,
    FFmpeg's reading stands.
    """
    with suppress(OSError), open(path, "rb", opener=reach.open) as opened:
        if holds_samples_alone(opened):  # which is common, and FFmpeg and mutagen load slowly
            return Tags({}, b"", "")
    others = _read_by_ffmpeg(path, reach)
    file: Any = None
    with suppress(OSError), open(path, "rb", opener=reach.open) as opened:
        file = _parse(opened)
    kind = _kind(file)
    if not kind or not file.tags:
        return others
    column = ("vorbis", "id3", "mp4").index(kind)
    fields = dict(others.fields)
    for names in _FIELDS:
        value = file.tags.get(names[column])
        if value:
            texts = value.text if kind == "id3" else value
            fields[names[0]] = [str(text) for text in texts]
    cover, cover_type = _read_cover(file, kind)
    return Tags(fields, cover, cover_type) if cover else others._replace(fields=fields)


def _read_by_ffmpeg(path: Path, reach: Reach) -> Tags:
    import av.error  # slow to load, and needed once a file
    from av.stream import Disposition

    fields: dict[str, list[str]] = {}
    cover, cover_type = b"", ""
    with (
        suppress(av.error.FFmpegError, OSError),
        SeekableFile(path, reach=reach) as file,
        av.open(file, "r", metadata_errors="replace") as container,
    ):
        audio = container.streams.audio  # of one among several, a title is not the recording's
        told = [*(stream.metadata for stream in audio if len(audio) == 1), container.metadata]
        known = {key.lower(): text for each in told for key, text in each.items()}
        for names in _FIELDS:
            if text := known.get(names[0]) or known.get(_FFMPEG_NAMES.get(names[0], "")):
                fields[names[0]] = [text]
        for stream in container.streams.video:
            if stream.disposition & Disposition.attached_pic:
                cover = next((bytes(packet) for packet in container.demux(stream)), b"")
                cover_type = _FFMPEG_IMAGES.get(stream.codec_context.name, "")
    return Tags(fields, cover, cover_type)


def _write_tags(target: BinaryIO, tags: Tags) -> None:
    file = _parse(target)
    kind = _kind(file)
    if not kind:
        return
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
    _save(file, target)


def _parse(opened: BinaryIO) -> Any:
    """Return what mutagen knows of an open file; None: nothing."""
    import mutagen  # needed once a file, not at the start

    opened.seek(0)
    with suppress(mutagen.MutagenError, OSError):
        return mutagen.File(opened)
    return None


def _save(file: Any, target: BinaryIO) -> None:
    """Save, and raise the system's own error rather than mutagen's wrapping of it."""
    import mutagen

    target.seek(0)
    try:
        file.save(target)
    except mutagen.MutagenError as error:
        if error.args and isinstance(error.args[0], OSError):
            raise error.args[0] from error
        raise


def _kind(file: Any) -> str:
    """Tell how a file's tags are called; empty: as nothing that is known, or it is none."""
    from mutagen.flac import FLAC
    from mutagen.id3 import ID3FileType
    from mutagen.mp4 import MP4
    from mutagen.ogg import OggFileType

    if isinstance(file, MP4):
        return "mp4"
    if isinstance(file, (FLAC, OggFileType)):
        return "vorbis"
    is_id3 = isinstance(file, ID3FileType) or type(file).__name__ in {"WAVE", "AIFF"}
    return "id3" if is_id3 else ""


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
