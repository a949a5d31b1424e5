"""Answer a file of queries by the fused search, by words alone and by meaning alone, and time it.

    python benchmarks/retrieval.py QUERIES.jsonl [--scorer SCORER.py] [--out FOLDER] [--encoder NAME]

A query is a JSON object a line: {"id": ..., "query": ..., "constraints": {...}}. Each system writes
a run file with one line a query: {"id": ..., "results": [ids, best first]}. A scorer is called as
``SCORER QUERIES RUN --available IDS`` with the ids that are installed. The two references rank by
one kind of evidence under the same constraints; only the fused search leaves texts on other
matters without an answer.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from fairmend.catalog.registry import Registry
from fairmend.core.constraints import Constraints
from fairmend.index.search import Index, index_of

TOP = 10
System = Callable[[str, Constraints], list[int | str]]


def systems(index: Index) -> dict[str, System]:
    def fused(text: str, constraints: Constraints) -> list[int | str]:
        return [result.technique_id for result in index.query(text, constraints, TOP).results]

    def by(evidence: str) -> System:
        def rank(text: str, constraints: Constraints) -> list[int | str]:
            scores = getattr(index.evidence(text), evidence)
            cards = [index.catalog.techniques[i] for i in np.argsort(-scores, kind="stable") if scores[i] > 0]
            return [card.technique_id for card in cards if constraints.reason(card) is None][:TOP]

        return rank

    return {"fused": fused, "words alone": by("lexical"), "meaning alone": by("dense")}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("queries", type=Path)
    parser.add_argument("--scorer", type=Path, help="script that scores a run file")
    parser.add_argument("--out", type=Path, help="folder for the run files; a temporary one by default")
    parser.add_argument("--encoder", help="name of an encoder; the bundled one by default")
    given = parser.parse_args()
    lines = given.queries.read_text(encoding="utf-8").splitlines()
    queries = [json.loads(line) for line in lines if line.strip()]
    out = given.out or Path(tempfile.mkdtemp(prefix="retrieval-"))
    out.mkdir(parents=True, exist_ok=True)

    started = time.perf_counter()
    index = index_of(Registry.installed(), given.encoder)
    index.query("a first question, so that the model is loaded", Constraints(), TOP)
    print(
        f"{len(index.catalog.techniques)} techniques, {len(index.catalog.passages)} passages, {len(queries)} queries"
    )
    print(f"encoder {index.encoder.name}; index and model ready in {time.perf_counter() - started:.1f} s")
    available = ",".join(
        str(c.technique_id) for c in index.catalog.techniques if isinstance(c.technique_id, int)
    )
    for name, system in systems(index).items():
        seconds, run = [], []
        for query in queries:
            constraints = Constraints.parse(query.get("constraints") or {})
            started = time.perf_counter()
            results = system(query["query"], constraints)
            seconds.append(time.perf_counter() - started)
            run.append({"id": query["id"], "results": [r for r in results if isinstance(r, int)]})
        path = out / f"{name.replace(' ', '-')}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in run), encoding="utf-8")
        print(
            f"\n{name}: {path}\n{1000 * statistics.median(seconds):.1f} ms a query "
            f"(median, warm; slowest {1000 * max(seconds):.1f} ms)"
        )
        if given.scorer:
            command = [
                sys.executable,
                str(given.scorer),
                str(given.queries),
                str(path),
                "--available",
                available,
            ]
            subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
