"""The files of deploy: Prometheus takes its rules, which fire when they should, and each names what is there."""

import json
import math
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from ruamel.yaml import YAML

from app.settings import Settings
from app.workers.supervisor import GRACE_SECONDS
from tests.api.servers import free_port, running
from tests.documents import ROOT, Document

DEPLOY = ROOT / "deploy"
RULES = YAML(typ="safe").load(DEPLOY / "alerts.yml")["groups"][0]["rules"]
BOARD = json.loads((DEPLOY / "grafana.json").read_text())
QUERIES = [target["expr"] for panel in BOARD["panels"] for target in panel["targets"]]


def promtool(*arguments: str | Path) -> str:
    if not (program := shutil.which("promtool")):
        pytest.skip("promtool is not installed: Debian has it in the package prometheus")
    done = subprocess.run([program, *arguments], cwd=DEPLOY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_prometheus_takes_its_configuration_and_the_rules() -> None:
    assert f"SUCCESS: {len(RULES)} rules found" in promtool("check", "config", "prometheus.yml")


def test_each_alert_fires_on_a_bad_day_and_none_on_a_good_one() -> None:
    assert "SUCCESS" in promtool("test", "rules", "alerts_test.yml")
    good, bad = [
        [test["alertname"] for test in day["alert_rule_test"]]
        for day in YAML(typ="safe").load(DEPLOY / "alerts_test.yml")["tests"]
    ]
    assert good == bad == [rule["alert"] for rule in RULES]


def test_prometheus_reads_every_query_of_the_dashboard(tmp_path: Path) -> None:
    queries = [query.replace("$__rate_interval", "5m").replace("$job", "surprisal") for query in QUERIES]
    rules = [{"record": f"panel:{number}", "expr": query} for number, query in enumerate(queries)]
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    assert f"SUCCESS: {len(QUERIES)} rules found" in promtool("check", "rules", tmp_path / "rules.yml")


@contextmanager
def prometheus(target: int, folder: Path) -> Iterator[httpx.Client]:
    """A client of a real Prometheus that has just begun to read the counters of a server, five times a second."""
    if not (program := shutil.which("prometheus")):
        pytest.skip("prometheus is not installed: Debian has it in the package of its name")
    scraped = {"job_name": "surprisal", "static_configs": [{"targets": [f"127.0.0.1:{target}"]}]}
    configuration = {"global": {"scrape_interval": "200ms", "scrape_timeout": "200ms"}, "scrape_configs": [scraped]}
    (folder / "prometheus.yml").write_text(json.dumps(configuration))
    address = f"127.0.0.1:{free_port()}"
    command = [program, "--config.file=prometheus.yml", f"--web.listen-address={address}", "--log.level=info"]
    with subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr
            assert any("Server is ready" in line for line in process.stderr)
            with httpx.Client(base_url=f"http://{address}") as client:
                yield client
        finally:
            process.terminate()
            process.communicate()


@pytest.mark.slow  # 5 s
def test_every_panel_shows_data_of_a_busy_server(tmp_path: Path) -> None:
    """A query that Prometheus reads may still find nothing, by a label or a unit that no series has."""
    asked = [query.replace("$__rate_interval", "5s").replace("$job", "surprisal") for query in QUERIES]
    empty = set(asked)
    with (
        running() as server,
        prometheus(server.port, tmp_path) as client,
        httpx.Client(base_url=f"http://127.0.0.1:{server.port}") as busy,
    ):
        while empty:
            busy.post("/v1/score/binary", json={"labels": [1], "probabilities": [0.5]})
            busy.post("/v1/score/binary", json={"labels": [1]})
            for query in list(empty):
                found = client.get("/api/v1/query", params={"query": query}).json()["data"]["result"]
                if any(math.isfinite(float(series["value"][1])) for series in found):
                    empty.remove(query)


def test_alerts_and_panels_ask_for_series_that_are_there() -> None:
    with running() as server:
        httpx.post(f"http://127.0.0.1:{server.port}/v1/score/binary", json={"labels": [1], "probabilities": [0.5]})
        text = httpx.get(f"http://127.0.0.1:{server.port}/metrics").text
    series = {sample.name: sample for family in text_string_to_metric_families(text) for sample in family.samples}
    asked = [rule["expr"] for rule in RULES] + QUERIES
    named = {name for query in asked for name in re.findall(r"\b(?:surprisal|process)_\w+", query)}
    assert len(named) > 5
    assert named <= series.keys()
    labels = {label for query in asked for label in re.findall(r"(\w+)(?:=~|!~|!=|=)\"", query)}
    assert labels <= {label for sample in series.values() for label in sample.labels} | {"job"}


def test_every_alert_is_explained() -> None:
    told = {row[0].strip("`") for row in Document("docs/operating.md").rows("Alerts")}
    assert told == {rule["alert"] for rule in RULES}


def manifests() -> dict[str, Any]:
    return {manifest["kind"]: manifest for manifest in YAML(typ="safe").load_all(DEPLOY / "kubernetes.yaml")}


def test_pods_are_asked_and_ended_as_the_service_needs_it() -> None:
    pod = manifests()["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert f"EXPOSE {container['ports'][0]['containerPort']}\n" in (ROOT / "Dockerfile").read_text()
    (folder,) = [volume["emptyDir"] for volume in pod["volumes"] if "emptyDir" in volume]
    assert int(folder["sizeLimit"].removesuffix("Gi")) * 2**30 > Settings().max_filed_bytes
    mounted = {mount["mountPath"] for mount in container["volumeMounts"]}
    given = {variable["name"]: variable["value"] for variable in container["env"]}
    assert {"/tmp", str(Path(given["SURPRISAL_API_KEYS_FILE"]).parent)} == mounted  # noqa: S108
    settings = Settings.model_validate(
        {name.removeprefix("SURPRISAL_").lower(): value for name, value in given.items()}
    )
    assert pod["terminationGracePeriodSeconds"] > most_seconds(settings)
    assert settings.drain_delay_seconds > container["readinessProbe"]["periodSeconds"]


def most_seconds(settings: Settings) -> float:
    """The longest time from SIGTERM to the end."""
    return settings.drain_delay_seconds + settings.drain_timeout_seconds + GRACE_SECONDS


def test_compose_waits_for_the_end() -> None:
    service = YAML(typ="safe").load(ROOT / "docker-compose.yml")["services"]["surprisal"]
    assert int(service["stop_grace_period"].removesuffix("s")) > most_seconds(Settings())


def test_pods_are_confined_as_the_container_is() -> None:
    pod = manifests()["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert f"USER {pod['securityContext']['runAsUser']}:" in (ROOT / "Dockerfile").read_text()
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert set(container["resources"]["limits"]) == {"cpu", "memory", "ephemeral-storage"}


def test_selectors_and_the_autoscaler_mean_the_pods() -> None:
    found = manifests()
    labels = found["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert found["Deployment"]["spec"]["selector"]["matchLabels"] == labels == found["Service"]["spec"]["selector"]
    assert found["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    scaler = found["HorizontalPodAutoscaler"]["spec"]
    assert scaler["scaleTargetRef"]["name"] == found["Deployment"]["metadata"]["name"]
    assert "replicas" not in found["Deployment"]["spec"]
    (metric,) = scaler["metrics"]
    assert metric["pods"]["metric"]["name"] == "surprisal_in_flight"
