"""The main colour of a province as a style sheet, so that pages need no inline style."""

from __future__ import annotations

import re

MINIMUM_CONTRAST = 4.5
"""Contrast of white text on the main colour that must be reached (WCAG 2 AA)."""

Colour = tuple[int, int, int]


def theme_css(main_colour: str) -> str:
    """Override the colour tokens with `main_colour` (#rrggbb), darkened until white is legible.

    Raises ValueError for anything but six hexadecimal digits: the value goes into a style sheet.
    """
    primary = _parse(main_colour)
    while contrast_with_white(primary) < MINIMUM_CONTRAST:
        primary = _mix(primary, (0, 0, 0), 0.05)
    strong = _mix(primary, (0, 0, 0), 0.22)
    soft = _mix(primary, (255, 255, 255), 0.9)
    return (
        ":root {\n"
        f"  --portal-primary: {_show(primary)};\n"
        f"  --portal-primary-strong: {_show(strong)};\n"
        f"  --portal-primary-soft: {_show(soft)};\n"
        "}\n"
    )


def contrast_with_white(colour: Colour) -> float:
    """Give the WCAG contrast ratio of white against `colour`, 1 to 21."""
    red, green, blue = (_linear(channel / 255) for channel in colour)
    return 1.05 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05)


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4


def _parse(text: str) -> Colour:
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", text):
        raise ValueError("a colour is # and six hexadecimal digits")
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


def _show(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def _mix(colour: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = (
        round(a * (1 - share) + b * share) for a, b in zip(colour, other, strict=True)
    )
    return red, green, blue
