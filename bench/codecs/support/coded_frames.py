"""Type and bytes of each frame of a coded clip, in the order in which frames are shown.

Streams are read by libavcodec, through PyAV, which tells the order of display; no sample is looked
at.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from bench.bitstreams import annexb
from bench.records import CodedFrames

_POC = re.compile(r"^POC +(-?\d+) .*?([IPB])-SLICE", re.MULTILINE)
_FASTER = {"skip_loop_filter": "all", "skip_idct": "all"}
"""Types and order of frames are right without their samples."""


def frames_of_units(stream: bytes, decoder: str) -> CodedFrames | None:
    """Of an elementary stream of H.264, H.265 or H.266, whose access units come in the order of
    coding; None for a stream that libavcodec does not read."""
    context = _context(decoder)
    return _shown(context, [*context.parse(stream), *context.parse(b"")])


def frames_of_packets(
    packets: Sequence[bytes], decoder: str, size: tuple[int, int] | None = None
) -> CodedFrames | None:
    """Of packets that each show one frame, in the order of display; ``size`` is that of pictures
    whose stream does not hold it."""
    import av

    context = _context(decoder)
    if size is not None:
        context.width, context.height = size
    return _shown(context, [av.Packet(packet) for packet in packets])


def frames_of_log(stream: bytes, standard: annexb.Standard, log: str) -> CodedFrames | None:
    """Of a stream of HM or VTM, whose encoder's log has a line a picture in the order of coding."""
    pictures = _POC.findall(log)
    sizes = annexb.picture_sizes(stream, standard)
    if len(sizes) != len(pictures):
        return None
    shown = sorted(range(len(sizes)), key=lambda place: int(pictures[place][0]))
    return CodedFrames(
        tuple(sizes[place] for place in shown), "".join(pictures[place][1] for place in shown)
    )


def _context(decoder: str) -> Any:
    import av

    context = av.CodecContext.create(decoder, "r")
    context.options = _FASTER
    context.thread_count = 1
    return context


def _shown(context: Any, packets: Sequence[Any]) -> CodedFrames | None:
    """What the decoder shows of packets that are stamped with their places."""
    from av.error import FFmpegError
    from av.video.frame import PictureType

    order, types = [], []
    for place, packet in enumerate(packets):
        packet.pts = packet.dts = place
    try:
        for packet in (*packets, None):
            for frame in context.decode(packet):
                order.append(frame.pts)
                types.append(PictureType(frame.pict_type).name)
    except FFmpegError:
        return None
    if sorted(order) != list(range(len(packets))):
        return None
    return CodedFrames(tuple(packets[place].size for place in order), "".join(types))
