"""The text SR: what a radiologist reads on any viewer, an Enhanced SR by TID 2000, one sentence an item.

First what was found, in one sentence, and that nobody has verified it; then the numbers; last what was looked at.
"""

from collections.abc import Iterable
from functools import partial

from highdicom.sr import CodedConcept, RelationshipTypeValues, TextContentItem
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import EnhancedSRStorage

from worker.case.case import Case
from worker.case.finding_sentences import caveats_of, findings_of, scope_of, summary_of
from worker.case.foremost_words import foremost_sentences
from worker.case.limits import limits_about
from worker.case.line_breaking import lines_of
from worker.case.prior_words import comparison_sentences
from worker.instances.instance_hierarchy import hierarchy_of
from worker.objects.sr_document import container, document, language, observation_context, procedure_item

#: A viewer that does not wrap (OHIF) shows this many characters.
LONGEST_LINE = 90


def build_text_report(case: Case) -> Dataset:
    """Return the text SR of a reading."""
    compared = () if case.prior is None else comparison_sentences(case.prior, case.words, partial(limits_about, case))
    report = _text_document(
        case,
        (codes.LN.Impressions, codes.DCM.Impression, (*foremost_sentences(case), summary_of(case), *caveats_of(case))),
        (codes.LN.Findings, codes.DCM.Finding, findings_of(case)),
        (codes.LN.PreviousFindings, codes.DCM.PreviousFinding, compared),
        (codes.LN.CurrentProcedureDescriptions, codes.DCM.ProcedureDescription, scope_of(case)),
    )
    if case.prior is not None:
        report.PertinentOtherEvidenceSequence = hierarchy_of(case.prior.references)
    return report


def build_not_read(case: Case, reason: str) -> Dataset:
    """Return the text SR that says that this series was not read and why; `reason` names no patient."""
    card = case.provenance.card
    told = case.words.say("Not read by {model}: {reason}", model=card.name, reason=reason)
    return _text_document(case, (codes.LN.Impressions, codes.DCM.Impression, (told, *caveats_of(case)[1:])))


def _text_document(case: Case, *sections: tuple[CodedConcept, CodedConcept, Iterable[str]]) -> Dataset:
    """Return a document of these sections: heading, name of its items, sentences; one without sentences is left out."""
    made = [(heading, _texts(name, sentences)) for heading, name, sentences in sections]
    root = container(
        codes.LN.DiagnosticImagingReport,
        (
            *language(case),
            *observation_context(case.provenance),
            procedure_item(case),
            *(container(heading, items) for heading, items in made if items),
        ),
        template="2000",
        root=True,
    )
    return document(root, case.series.evidence, case, kind="TEXT-SR", sop_class_uid=EnhancedSRStorage)


def _texts(name: CodedConcept, sentences: Iterable[str]) -> list[TextContentItem]:
    lines = [line for sentence in sentences for line in lines_of(sentence, LONGEST_LINE)]
    return [TextContentItem(name=name, value=line, relationship_type=RelationshipTypeValues.CONTAINS) for line in lines]
