"""Discovery: which techniques answer a question or an audit, and why others are excluded."""

from fairmend.index.answer import Answer, Excluded, Ranked, Recommendation, Result
from fairmend.index.encoders import Encoder
from fairmend.index.recommend import recommend
from fairmend.index.search import query

__all__ = ["Answer", "Encoder", "Excluded", "Ranked", "Recommendation", "Result", "query", "recommend"]
