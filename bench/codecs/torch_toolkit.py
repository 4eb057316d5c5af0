"""What a learned codec may import beside :mod:`bench.codecs.toolkit`; these names stay too."""

from __future__ import annotations

from bench.codecs.support.complexity import measure_complexity as measure_complexity
from bench.codecs.support.learned_codec import LearnedCodec as LearnedCodec
from bench.codecs.support.refinement import Outlook as Outlook
from bench.codecs.support.refinement import descended as descended
from bench.codecs.support.refinement import frozen as frozen
from bench.codecs.support.refinement import refined as refined
from bench.codecs.support.refinement import soft_round as soft_round
from bench.codecs.support.tensors import Geometry as Geometry
from bench.codecs.support.tensors import fingerprint as fingerprint
from bench.codecs.support.tensors import inference as inference
from bench.codecs.support.tensors import refuse_samples as refuse_samples
from bench.codecs.support.tensors import to_frame as to_frame
from bench.codecs.support.tensors import to_tensor as to_tensor
from bench.codecs.support.weights import save_weights as save_weights
