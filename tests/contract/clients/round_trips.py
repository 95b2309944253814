"""A program that sends every JSON example of the document through the made models; it prints what did not come back."""

import json
import sys
from pathlib import Path
from typing import Any

import generated.models
import generated_models

different: list[str] = []
for name, example in json.loads(Path(sys.argv[1]).read_text()):
    by_openapi_python_client: Any = getattr(generated.models, name)
    by_datamodel_code_generator: Any = getattr(generated_models, name)
    if by_openapi_python_client.from_dict(example).to_dict() != example:
        different.append(f"openapi-python-client: {name} {example}")
    model = by_datamodel_code_generator.model_validate(example)
    if model.model_dump(mode="json", exclude_unset=True) != example:
        different.append(f"datamodel-code-generator: {name} {example}")
json.dump(different, sys.stdout)
