"""The use cases: what a caller asks for, without HTTP or SQL."""

from app.service.comparing import COMPARED, CompareRequest, compare
from app.service.scoring import ScoreRequest, score
from app.service.sections import INCLUDES, Include

__all__ = ["COMPARED", "INCLUDES", "CompareRequest", "Include", "ScoreRequest", "compare", "score"]
