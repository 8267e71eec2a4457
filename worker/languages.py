"""The languages that reports speak; imports nothing, since every process reads settings."""

from typing import Literal

#: Code of RFC 5646 and how the language calls itself. The first is the language of the source code.
LANGUAGES = {
    "en": "English",
    "de": "Deutsch",
    "fr": "Français",
    "es": "Español",
    "ja": "日本語",
    "zh": "中文",
}
Language = Literal["en", "de", "fr", "es", "ja", "zh"]
