"""Log a run to MLflow while it runs. Failures are reported once and never stop the run."""

from __future__ import annotations

import logging
import math
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from threading import Thread
from typing import Any, TypeVar

from fairmend.catalog.policy import Policy
from fairmend.core.data.dataset import Dataset
from fairmend.core.errors import MissingExtraError, UsageError
from fairmend.core.text.escaping import json_text
from fairmend.pipeline.run.record import RunRecord
from fairmend.pipeline.run.state_machine import Observer
from fairmend.pipeline.spec import PipelineSpec

EXPERIMENT = "fairmend"
PATIENCE = 30  # timeout in seconds for the first response of a server
Answer = TypeVar("Answer")
# Defaults if the user set none: an unreachable server must not block the run; no telemetry.
SETTINGS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}


class Tracking:
    """A run of MLflow that mirrors a run of a pipeline.

    Parameters
    ----------
    uri : str
        Tracking URI, such as ``sqlite:///mlflow.db``; empty to use MLFLOW_TRACKING_URI. The
        experiment is MLFLOW_EXPERIMENT_NAME, default ``fairmend``.

    Attributes
    ----------
    problem : str or None
        Why logging stopped, if it did.

    Raises
    ------
    MissingExtraError
        MLflow is not installed.
    UsageError
        There is no URI, or it is not writable; raised before any work is done.
    """

    def __init__(self, uri: str = "") -> None:
        self.uri = uri or os.environ.get("MLFLOW_TRACKING_URI", "")
        if not self.uri:
            raise UsageError("no tracking URI: use --mlflow sqlite:///mlflow.db, or set MLFLOW_TRACKING_URI")
        for name, value in SETTINGS.items():
            os.environ.setdefault(name, value)
        try:
            from mlflow.tracking import MlflowClient
        except ImportError as error:
            raise MissingExtraError(
                "logging to MLflow requires the extra: pip install 'fairmend[mlflow]'"
            ) from error
        for library in ("mlflow", "alembic"):
            logging.getLogger(library).setLevel(logging.WARNING)
        self.problem: str | None = None
        self._observer: Observer | None = None
        self._run = ""
        self._gates = self._rollbacks = 0
        try:
            self._client, self._experiment = _answered(lambda: self._connect(MlflowClient), self.uri)
        except Exception as error:  # the store, its driver or the network may raise anything
            raise UsageError(f"cannot log to MLflow at {_public(self.uri)}: {_said(error)}") from error

    def _connect(self, client_class: type[Any]) -> tuple[Any, str]:
        """Return a client and the id of the experiment, which is created if missing."""
        client = client_class(tracking_uri=self.uri)
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT
        found = client.get_experiment_by_name(name)
        return client, client.create_experiment(name) if found is None else found.experiment_id

    @contextmanager
    def mirroring(
        self, spec: PipelineSpec, policy: Policy, data: Dataset, observer: Observer | None
    ) -> Iterator[Observer]:
        """Start an MLflow run and yield an observer that logs events and forwards them.

        An exception inside ends the MLflow run as failed; otherwise :meth:`finish` ends it.
        """
        self._observer = observer
        self._try(lambda: self._begin(spec, policy, data))
        try:
            yield self._tell
        except BaseException:
            self._try(lambda: self._client.set_terminated(self._run, "FAILED"))
            raise

    def _begin(self, spec: PipelineSpec, policy: Policy, data: Dataset) -> None:
        """Log the pipeline, the policy and the data."""
        self._run = self._client.create_run(self._experiment, run_name=spec.name).info.run_id
        about = {
            "pipeline": spec.name,
            "notion": spec.notion,
            "policy": policy.policy,
            "policy_sha256": policy.digest(),
            "learner": spec.learner,
            "seed": spec.seed,
            "steps": " ".join(step.slug for step in spec.steps),
            "rows": len(data),
            "protected": " ".join(data.roles.protected),
            "data_sha256": data.fingerprint(),
        }
        self._log(params=about)

    def finish(self, record: RunRecord) -> None:
        """Log the status of the run, its metrics on the test data, and the record and pipeline as files."""
        whole = record.to_json()
        figures = {
            f"{part}.{name}": figure["value"]
            for part in ("baseline", "final")
            for name, figure in whole[part].items()
            if isinstance(figure, Mapping) and "value" in figure
        }
        checks = [gate for gate in whole["gates"] if gate["data"] == "test"]
        tags = {"status": record.status, "reason": record.reason, "fairmend.run_id": record.run_id}
        if record.head is not None:
            tags["fairmend.head"] = record.head
        self._log(
            {**figures, **_values(checks), "rollbacks": self._rollbacks, "seconds": record.seconds["total"]},
            tags={**tags, **_verdicts(whole["gates"]), "mlflow.runName": record.run_id},
            step=self._gates,
        )
        text = json_text(whole)
        self._try(lambda: self._client.log_text(self._run, text, "record.json"))
        self._try(lambda: self._client.log_text(self._run, record.spec.to_yaml(), "pipeline.yaml"))
        self._try(lambda: self._client.set_terminated(self._run, "FINISHED"))
        if self.problem is not None:
            record.notes.append(self.problem)

    def _tell(self, event: dict[str, Any]) -> None:
        if event["event"] == "gate":
            self._gates += 1
            series = {"accuracy": event["accuracy"], event["measure"]: event["fairness"]}
            verdicts = {**_verdicts(event["checks"]), f"verdict.{event['gate']}": event["verdict"]}
            self._log({**series, **_values(event["checks"])}, tags=verdicts, step=self._gates)
        self._rollbacks += event["event"] == "rollback"
        if self._observer is not None:
            self._observer(event)

    def _log(
        self,
        metrics: Mapping[str, float | None] | None = None,
        *,
        params: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
        step: int = 0,
    ) -> None:
        from mlflow.entities import Metric, Param, RunTag

        now = int(time.time() * 1000)
        known = {k: float(v) for k, v in (metrics or {}).items() if v is not None and math.isfinite(v)}
        batch = {
            "metrics": [Metric(name, value, now, step) for name, value in known.items()],
            "params": [Param(name, str(value)[:6000]) for name, value in (params or {}).items()],
            "tags": [RunTag(name, value[:5000]) for name, value in (tags or {}).items()],
        }
        self._try(lambda: self._client.log_batch(self._run, **batch))

    def _try(self, work: Callable[[], object]) -> None:
        """Call MLflow; after the first failure nothing more is tried, and the run continues."""
        if self.problem is not None:
            return
        try:
            work()
        except Exception as error:  # the store, its driver or the network may raise anything
            self.problem = f"Logging to MLflow at {_public(self.uri)} stopped: {_said(error)}"
            if self._observer is not None:
                self._observer({"event": "tracking", "text": self.problem})


def _answered(work: Callable[[], Answer], uri: str) -> Answer:
    """Return the result of a call to MLflow; servers must answer within a timeout, files need not.

    A driver that waits for a server cannot be stopped: its thread is abandoned and ends with the process.
    """
    if not re.match(r"(?!sqlite|file)[\w+.-]+://", uri):
        return work()
    done: Future[Answer] = Future()

    def attempt() -> None:
        try:
            done.set_result(work())
        except Exception as error:
            done.set_exception(error)

    Thread(target=attempt, daemon=True).start()
    try:
        return done.result(timeout=PATIENCE)
    except TimeoutError as error:
        raise TimeoutError(f"no answer within {PATIENCE} seconds") from error


def _values(checks: list[dict[str, Any]]) -> dict[str, float | None]:
    return {f"gate.{check['id']}": check["value"] for check in checks}


def _verdicts(checks: list[dict[str, Any]]) -> dict[str, str]:
    return {f"verdict.{check['id']}": check["verdict"] for check in checks}


def _said(error: BaseException) -> str:
    return _public(" ".join(f"{type(error).__name__}: {error}".split()))[:200]


def _public(text: str) -> str:
    """Return a text without credentials in URIs."""
    return re.sub(r"//[^/@\s]*@", "//", text)
