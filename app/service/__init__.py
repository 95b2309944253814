"""The use cases: what a caller asks for, without HTTP or SQL."""

from app.service.scoring import INCLUDES, Include, ScoreRequest, score

__all__ = ["INCLUDES", "Include", "ScoreRequest", "score"]
