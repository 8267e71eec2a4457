"""A caller that knocks again and again is counted, and one that changes its name does not fill the disk."""

from dataclasses import replace
from datetime import UTC, datetime

from dicom_node.turned_away import Stage, TurnedAway
from ops.audit.turned_away_counts import MOST_CALLERS, WINDOW_S, Alerts

AT = datetime(2026, 1, 1, tzinfo=UTC)
CALLER = TurnedAway(stage=Stage.HANDSHAKE, address="192.0.2.9", found="plain text", remedy="none")


def test_the_first_is_told_at_once_and_the_rest_is_counted() -> None:
    """One message when it begins, one a minute later that says how often; then it is new again."""
    alerts = Alerts()
    assert [alert.times for alert in alerts.heard(CALLER, AT, 0.0)] == [1]
    assert [alerts.heard(CALLER, AT, float(second)) for second in range(1, 31)] == [[]] * 30
    assert len(alerts.heard(replace(CALLER, found="TLS older than 1.2"), AT, 5.0)) == 1
    assert alerts.due(WINDOW_S - 1) == []
    assert [(alert.caller, alert.times) for alert in alerts.due(WINDOW_S)] == [(CALLER, 30)]
    assert alerts.due(10 * WINDOW_S) == []
    assert len(alerts.heard(CALLER, AT, 11 * WINDOW_S)) == 1


def test_a_scanner_is_one_caller() -> None:
    """Ever other AE titles: so many are told by name, the others are counted together, and none is forgotten."""
    alerts = Alerts()
    told = [
        alert
        for number in range(10_000)
        for alert in alerts.heard(replace(CALLER, calling_ae_title=f"AE{number}"), AT, 0.0)
    ]
    assert len(told) == MOST_CALLERS + 1
    assert told[-1].caller.found == "many callers"
    assert [alert.times for alert in alerts.all()] == [10_000 - MOST_CALLERS - 1]
