"""How long is waited for what each sender sends, and which archive is asked about it, as the site has set it."""

import functools

from dicom_node.assembling.assembly import Timing
from dicom_node.assembling.questions import Asking
from dicom_node.settings import NodeSettings


class Patience:
    """The waits of every sender by its AE title: what its entry in `node.peers` does not say, `node` says."""

    def __init__(self, settings: NodeSettings) -> None:
        """Take what the site has set."""
        self._settings = settings
        self._peers = {peer.ae_title: peer for peer in settings.peers}
        self.asking = Asking(after_s=settings.ask_after_s, settle_s=settings.settle_s)
        self.timing = functools.lru_cache(maxsize=256)(self._timing)

    def archive(self, ae_title: str) -> str:
        """Return the archive that is asked for counts of what this sender sends; empty: none."""
        peer = self._peers.get(ae_title)
        return self._settings.counts_from if peer is None or peer.counts_from is None else peer.counts_from

    def _timing(self, ae_title: str) -> Timing:
        """Return how long is waited for what this sender sends."""
        settings, peer = self._settings, self._peers.get(ae_title)
        return Timing(
            quiet_time_s=(peer.quiet_time_s if peer is not None else None) or settings.quiet_time_s,
            association_hold_s=settings.association_hold_s,
            hard_cap_s=(peer.hard_cap_s if peer is not None else None) or settings.hard_cap_s,
            settle_s=settings.settle_s,
        )
