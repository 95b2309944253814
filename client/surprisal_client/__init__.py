"""Score predicted probabilities with a Surprisal service.

from surprisal_client import Client

result = Client("http://127.0.0.1:8000").score(labels=y, probabilities=p)
print(result.cross_entropy.value, result.cross_entropy.interval)
"""

from surprisal_client.client import AsyncClient, Client
from surprisal_client.errors import FieldError, InputError, MissingPackage, ServiceError, SurprisalError
from surprisal_client.results.calibration import Calibration
from surprisal_client.results.comparison import Comparison, Comparisons
from surprisal_client.results.job import Job
from surprisal_client.results.metric import Metric
from surprisal_client.results.score import Score

__version__ = "0.1.0"
__all__ = [
    "AsyncClient",
    "Calibration",
    "Client",
    "Comparison",
    "Comparisons",
    "FieldError",
    "InputError",
    "Job",
    "Metric",
    "MissingPackage",
    "Score",
    "ServiceError",
    "SurprisalError",
]
