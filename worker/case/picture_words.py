"""What stands on everything that people look at."""

from worker.case.case import Case


def banner(case: Case) -> str:
    """Return what is burnt into every picture: research or not, that nobody has verified it, and which model it was."""
    card, words = case.provenance.card, case.words
    said = [words.say("RESEARCH")] if card.research else []
    return " \N{EN DASH} ".join((*said, words.say("AI, not verified"), f"{card.name} {card.version}"))
