"""The use cases, without HTTP or SQL."""

from app.service.applying import APPLYING_OPTIONS, ApplyRequest, apply_map
from app.service.calibrating import CALIBRATING_OPTIONS, CalibrateInclude, CalibrateRequest, calibrate, calibrate_parts
from app.service.candidates import COMPARED, CompareQuestion, CompareRequest, own_options
from app.service.comparing import compare
from app.service.maps import CALIBRATED, opened_map
from app.service.merging import merge
from app.service.questions import Question
from app.service.scoring import ScoreRequest, score
from app.service.sections import INCLUDES, Include
from app.service.streamed_comparing import compare_parts
from app.service.streaming import score_parts

__all__ = [
    "APPLYING_OPTIONS",
    "CALIBRATED",
    "CALIBRATING_OPTIONS",
    "COMPARED",
    "INCLUDES",
    "ApplyRequest",
    "CalibrateInclude",
    "CalibrateRequest",
    "CompareQuestion",
    "CompareRequest",
    "Include",
    "Question",
    "ScoreRequest",
    "apply_map",
    "calibrate",
    "calibrate_parts",
    "compare",
    "compare_parts",
    "merge",
    "opened_map",
    "own_options",
    "score",
    "score_parts",
]
