"""Model cards for model reporting, Mitchell et al. 2019, in the card format of Hugging Face."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import jinja2

from fairmend.base import (
    DataError,
    Markdown,
    Operation,
    OperationResult,
    TechniqueMetadata,
    markdown,
    one_line,
    unknown,
)
from fairmend.plugins.operations._hugging_face import BY_GROUP, OVERALL, header
from fairmend.plugins.operations._record_figures import Figures

SECTIONS: dict[str, dict[str, str]] = {
    "Model Details": {
        "owner": "Who developed the model, and who is responsible for it?",
        "license": "Under which license may it be used?",
        "contact": "Where do questions and complaints go?",
    },
    "Intended Use": {
        "primary_uses": "Which uses is it made for?",
        "primary_users": "Who is meant to use it?",
        "out_of_scope_uses": "What must it not be used for?",
    },
    "Factors": {"other_factors": "Which groups, places or circumstances matter that are not in the data?"},
    "Metrics": {"why_these_metrics": "Why were these metrics chosen, and which errors matter most?"},
    "Evaluation Data": {"why_these_data": "Why were these data chosen, and whom do they represent?"},
    "Training Data": {"origin_of_data": "Where and when were the data collected, and with what consent?"},
    "Quantitative Analyses": {},
    "Ethical Considerations": {
        "sensitive_data": "Which sensitive data does the model use, and why?",
        "harms": "Who could be harmed by its errors, and how?",
        "mitigations": "What limits these harms besides the steps above?",
    },
    "Caveats and Recommendations": {
        "recommendations": "What should users know or test before they rely on it?"
    },
}
"""The nine sections of the paper in its order (section 4), and the questions in each that a record cannot answer."""


def asked(section: str, answers: Mapping[str, str]) -> Markdown:
    """Return the questions of a section with their answers, or marked as open."""
    return Markdown(
        "\n".join(
            f"- **{question}** " + (markdown(answers[name]) if name in answers else f"*Open: `{name}`*")
            for name, question in SECTIONS[section].items()
        )
    )


class ModelCard(Operation):
    """Write the model card of a run from its record.

    Parameters
    ----------
    model_name : str, optional
        Title of the card; default: the id of the run.
    answers : dict of str to str, optional
        Answers to questions that a record cannot answer, by the name of the question: owner, license,
        contact, primary_uses, primary_users, out_of_scope_uses, other_factors, why_these_metrics,
        why_these_data, origin_of_data, sensitive_data, harms, mitigations, recommendations.

    Notes
    -----
    The card has the nine sections of the paper in its order. Each number comes from the record, and
    ``figures`` gives its place there as a JSON pointer, so that the card can be verified against the record.
    Questions that only people can answer are printed in their section until they are answered, never
    invented; ``open_questions`` lists those that are open. Metrics are those on the test data, with
    intervals; values from too few rows are marked. The license also goes into the header, where Hugging Face
    expects one of its identifiers.

    Departure: a run measures the groups of all protected attributes crossed. For several attributes the paper
    first asks for each one separately: those are the audit findings re-measured on the test data.

    References
    ----------
    M. Mitchell, S. Wu, A. Zaldivar, P. Barnes, L. Vasserman, B. Hutchinson, E. Spitzer, I. D. Raji and T. Gebru
    (2019), "Model cards for model reporting", FAT*, section 4.

    Examples
    --------
    >>> from fairmend.plugins.operations import ModelCard
    >>> from fairmend.testing.driving import operation_inputs
    >>> made = ModelCard(model_name="loans", answers={"owner": "Credit risk"}).produce(**operation_inputs(ModelCard))
    >>> print(made.result["text"].partition(" with")[0], len(made.result["open_questions"]))
    Model card of loans in 9 sections 13
    """

    metadata = TechniqueMetadata(
        technique_id=116,
        slug="model-card",
        name="Model cards for model reporting",
        family="documentation",
        summary="Writes the model card of a run: purpose, data, metrics by group with intervals, limits and open questions.",
        citation="mitchell2019model",
        addresses=("outcome-disparity", "error-rate-disparity", "intersectional-disparity"),
        targets=("demographic_parity", "equalized_odds", "calibration"),
        minimum_rows=1,
        duration_weeks=(0.5, 1),
        legal_notes="A card is a statement about the model; have the answers to its open questions reviewed before it is published.",
        use_when="A model is handed over, published or registered, and readers must see its intended use and its performance in each group.",
        avoid_when="The data rather than the model must be documented, or there is no finished run yet.",
        questions=(
            "How do I document the model for those who will use it?",
            "Which one document shows results by group, intended use and limits?",
            "Can the figures in our documentation be traced to the run that measured them?",
            "What do we hand to the regulator about this model?",
            "How do we publish a fairness-tested model on Hugging Face with its evaluation results?",
            "What about our model is still undocumented and has to be written by a person?",
        ),
        alternatives=(17, 115),
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "model_name": [str, None],
        "answers": [dict, None],
    }

    def __init__(self, model_name: str | None = None, answers: dict[str, str] | None = None) -> None:
        self.model_name = model_name
        self.answers = answers

    def _produce(self, record: Mapping[str, Any]) -> OperationResult:
        questions = [name for section in SECTIONS.values() for name in section]
        answers = self.answers or {}
        for name in answers:
            if name not in questions:
                raise unknown("question of a model card", name, questions)
        figures = Figures(record)
        try:
            title = one_line(self.model_name or record["run_id"])
            text = _template().render(
                r=record,
                title=title,
                number=lambda *path: Markdown(figures.number(*path)),
                estimate=lambda *path: Markdown(figures.estimate(*path)),
                asked=lambda section: asked(section, answers),
                overall=[metric for metric in OVERALL if metric in record["final"]],
                by_group=[metric for metric in BY_GROUP if metric in record["final"]],
            )
            card = f"---\n{header(record, title, answers.get('license'))}---\n\n{text}"
        except (KeyError, IndexError, TypeError, AttributeError, jinja2.UndefinedError) as error:
            raise DataError(
                f"expected the record of a run ({one_line(error)}); pass the output of fairmend run --json, or run.json of its report"
            ) from error
        still_open = [name for name in questions if name not in answers]
        said = f"Model card of {title} in {len(SECTIONS)} sections with {len(figures.shown)} numbers of the record; open questions: {len(still_open)}."
        result = {
            "text": said,
            "sections": [*SECTIONS],
            "open_questions": still_open,
            "figures": figures.shown,
        }
        return OperationResult(result, {"model_card.md": card})


def _template() -> jinja2.Template:
    """Return the template of the card, which escapes its inputs as text."""
    environment = jinja2.Environment(  # noqa: S701 - of Markdown, finalize escapes all that is given
        loader=jinja2.PackageLoader("fairmend.plugins.operations"),
        finalize=markdown,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("model_card.md.j2")
