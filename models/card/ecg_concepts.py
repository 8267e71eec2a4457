"""What an ECG's reader measures in a recording, by code, and its units."""

from models.card.card_parts import Concept

HEART_RATE = Concept(value="8867-4", scheme="LN", meaning="Heart rate")
# PS3.16 CID 3228.
RR_INTERVAL = Concept(value="2:33024", scheme="MDC", meaning="RR interval per lead")
PR_INTERVAL = Concept(value="2:7168", scheme="MDC", meaning="PR interval per lead")
QRS_DURATION = Concept(value="2:7936", scheme="MDC", meaning="QRS duration per lead")
QT_INTERVAL = Concept(value="2:8192", scheme="MDC", meaning="QT interval per lead")
BEATS_PER_MINUTE = Concept(value="{H.B.}/min", scheme="UCUM", meaning="beats per minute")
MILLISECOND = Concept(value="ms", scheme="UCUM", meaning="millisecond")
