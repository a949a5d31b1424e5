"""Stored runs: begin, resume after an interruption, predict; a run is verified before it is read.

``execution`` runs a pipeline and stores it, ``data_source`` says where its data are, ``graph_revision`` takes another
causal graph, ``records`` returns the whole record, ``prediction`` applies the rule.
"""

from fairmend.pipeline.stored_runs.execution import begin, resume
from fairmend.pipeline.stored_runs.prediction import decide, load_deployed, predict
from fairmend.pipeline.stored_runs.records import current_record, read_record

__all__ = ["begin", "current_record", "decide", "load_deployed", "predict", "read_record", "resume"]
