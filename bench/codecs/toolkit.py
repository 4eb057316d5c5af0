"""What a codec of one's own may import: these names are documented and stay.

Everything else below ``bench.codecs`` may move between releases.
"""

from __future__ import annotations

from bench.codecs.base import Allowed as Allowed
from bench.codecs.base import AnyValue as AnyValue
from bench.codecs.base import Choice as Choice
from bench.codecs.base import CodecBase as CodecBase
from bench.codecs.base import Complexity as Complexity
from bench.codecs.base import Encoded as Encoded
from bench.codecs.base import Flag as Flag
from bench.codecs.base import Range as Range
from bench.codecs.base import Table as Table
from bench.codecs.base import Text as Text
from bench.codecs.support.container import Container as Container
from bench.codecs.support.container import Contents as Contents
from bench.codecs.support.nested_bytes import pack_nest as pack_nest
from bench.codecs.support.nested_bytes import unpack_nest as unpack_nest
from bench.codecs.support.stopwatch import untimed as untimed
from bench.errors import BitstreamError as BitstreamError
from bench.errors import CodecError as CodecError
from bench.errors import Unavailable as Unavailable
from bench.errors import Unsupported as Unsupported
from bench.records import Point as Point
from bench.signals import Frame as Frame
from bench.signals import Layout as Layout
from bench.signals import Signal as Signal
from bench.signals import clip as clip
from bench.signals import image as image
