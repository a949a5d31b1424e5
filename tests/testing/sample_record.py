"""Write the record of a run that operations are checked on: ``python tests/testing/sample_record.py``."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import fairmend
from fairmend.core.text.escaping import json_text
from fairmend.plugins.datasets import bank, bank_roles

RUN_ID = "run-20240101-000000-0000"


def main() -> None:
    record = fairmend.run(
        data=bank(3000), learner="logistic_regression", assume_approved=True, **bank_roles()
    ).to_json()
    record |= {"run_id": RUN_ID, "seconds": {}}
    for step in record["steps"]:
        step["seconds"] = 0.0
    path = Path(str(resources.files("fairmend.testing").joinpath("sample_record.json")))
    path.write_text(json_text(record, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {path}: {record['status']}")


if __name__ == "__main__":
    main()
