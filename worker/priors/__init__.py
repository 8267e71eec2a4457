"""An earlier read to compare with. In reading order:

priors          finds it, in the ledger or in archive_priors; earlier_report, its numbers (earlier_images, of what)
prior_changes   what has changed since (prior_pairs, prior_sizes)
"""
