"""Type and bytes of each frame of a coded clip, in the order in which frames are shown.

Streams are read by libavcodec, through PyAV, which tells the order of display; no sample is looked
at, and of units that begin with all that is asked only the beginning is decoded.
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
_HEAD_BYTES = 1000
"""More than parameter sets and the headers of slices take."""


def frames_of_units(stream: bytes, decoder: str) -> CodedFrames | None:
    """Of an elementary stream of H.264, H.265 or H.266, whose access units come in the order of
    coding; None for a stream that libavcodec does not read."""
    context = _context(decoder)
    packets = [bytes(packet) for packet in (*context.parse(stream), *context.parse(b""))]
    heads = [_heads(packet) for packet in packets]
    shown = _shown(_context(decoder, ec="0"), heads) or _shown(context, packets)
    return shown and CodedFrames(tuple(len(packets[place]) for place in shown[0]), shown[1])


def _heads(packet: bytes) -> bytes:
    """The beginnings of its units."""
    return b"".join(code + unit[:_HEAD_BYTES] for code, unit in annexb.split_units(packet))


def frames_of_packets(
    packets: Sequence[bytes], decoder: str, size: tuple[int, int] | None = None
) -> CodedFrames | None:
    """Of packets that each show one frame, in the order of display; ``size`` is that of pictures
    whose stream does not hold it."""
    context = _context(decoder)
    if size is not None:
        context.width, context.height = size
    shown = _shown(context, packets)
    return shown and CodedFrames(tuple(len(packets[place]) for place in shown[0]), shown[1])


def frames_of_log(stream: bytes, standard: annexb.Standard, log: str) -> CodedFrames | None:
    """Of a stream of HM or VTM, whose encoder's log has a line a picture in the order of coding."""
    pictures = _POC.findall(log)
    sizes = standard.picture_sizes(stream)
    if len(sizes) != len(pictures):
        return None
    shown = sorted(range(len(sizes)), key=lambda place: int(pictures[place][0]))
    return CodedFrames(
        tuple(sizes[place] for place in shown), "".join(pictures[place][1] for place in shown)
    )


def _context(decoder: str, **options: str) -> Any:
    import av

    context = av.CodecContext.create(decoder, "r")
    context.options = {**_FASTER, **options}
    context.thread_count = 1
    return context


def _shown(context: Any, packets: Sequence[bytes]) -> tuple[list[int], str] | None:
    """Places of the packets in the order in which the decoder shows them, and their types."""
    import av
    from av.error import FFmpegError
    from av.video.frame import PictureType

    order, types = [], []
    try:
        for place, data in enumerate((*packets, None)):
            packet = data if data is None else av.Packet(data)
            if packet is not None:
                packet.pts = packet.dts = place
            for frame in context.decode(packet):
                order.append(frame.pts)
                types.append(PictureType(frame.pict_type).name)
    except FFmpegError:
        return None
    return (order, "".join(types)) if sorted(order) == list(range(len(packets))) else None
