"""The use cases, without HTTP or SQL."""

from app.service.calibrating import CALIBRATED, CALIBRATING_OPTIONS, CalibrateRequest, calibrate, calibrate_parts
from app.service.candidates import COMPARED, CompareRequest, own_options
from app.service.comparing import compare
from app.service.merging import merge
from app.service.questions import Question
from app.service.scoring import ScoreRequest, score
from app.service.sections import INCLUDES, Include
from app.service.streaming import score_parts

__all__ = [
    "CALIBRATED",
    "CALIBRATING_OPTIONS",
    "COMPARED",
    "INCLUDES",
    "CalibrateRequest",
    "CompareRequest",
    "Include",
    "Question",
    "ScoreRequest",
    "calibrate",
    "calibrate_parts",
    "compare",
    "merge",
    "own_options",
    "score",
    "score_parts",
]
