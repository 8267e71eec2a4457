"""A house that is harmed while it works: schedule, what happens when; house, what is done; studies, what streams in."""
