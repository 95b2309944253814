"""What an application has for all its requests."""

from dataclasses import dataclass

from fastapi import Request

from app.api.capacity import Capacity
from app.api.telemetry import Telemetry
from app.settings import Settings

DEFAULTS = Settings.model_construct()
"""The settings of which the environment says nothing, for answers that no application gives."""


@dataclass(frozen=True, slots=True)
class Resources:
    """What one application owns; opened in its lifespan."""

    settings: Settings
    capacity: Capacity
    telemetry: Telemetry


def resources_of(request: Request) -> Resources:
    """The resources of the application that answers a request."""
    resources: Resources = request.app.state.resources
    return resources
