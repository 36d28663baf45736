"""Synthetic document pages from seeds: letters, receipts, screenshots, charts and others.

Pages of one kind share a template and differ in content: no two of them are duplicates.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import cos, pi, sin

from PIL import Image, ImageDraw, ImageFont

Color = tuple[int, int, int]
Draw = ImageDraw.ImageDraw
BLACK, WHITE, GREY, SILVER = (0, 0, 0), (255, 255, 255), (120, 120, 120), (225, 225, 225)
ACCENTS = ((178, 58, 72), (38, 84, 124), (32, 122, 86), (196, 132, 29), (96, 72, 140))
PAPER, PHONE, SCREEN = (1240, 1754), (1080, 1920), (1600, 1000)
PAGES_OF_A_KIND = 5
_ONSETS = "b br c ch d dr f fl g gr h k l m n p pr qu r s sch st t tr v w z".split()
_VOWELS = "a e i o u ai au ei ie ou".split()
_ENDS = ["", "", "", "l", "m", "n", "r", "s", "t", "nd", "ng", "ck", "st"]
Drawing = Callable[[random.Random], Image.Image]


@dataclass(frozen=True)
class Page:
    """A page; `seen` kinds may be used for fitting."""

    kind: str
    seen: bool
    picture: Image.Image


def document_pages() -> Iterator[Page]:
    """Five pages of each kind, always the same."""
    for kind, draw in {**SEEN_KINDS, **UNSEEN_KINDS}.items():
        for number in range(PAGES_OF_A_KIND):
            yield Page(kind, kind in SEEN_KINDS, draw(_seeded(f"{kind} {number}")))


def _seeded(seed: str) -> random.Random:
    return random.Random(seed)  # noqa: S311


def _word(rng: random.Random) -> str:
    syllables = rng.choice((1, 1, 2, 2, 3))
    return "".join(
        rng.choice(_ONSETS) + rng.choice(_VOWELS) + rng.choice(_ENDS) for _ in range(syllables)
    )


def _words(rng: random.Random, least: int, most: int) -> str:
    return " ".join(_word(rng) for _ in range(rng.randint(least, most)))


def _sheet(size: tuple[int, int], color: Color = WHITE) -> tuple[Image.Image, Draw]:
    picture = Image.new("RGB", size, color)
    return picture, ImageDraw.Draw(picture)


def _write(draw: Draw, place: tuple[float, float], text: str, size: int, ink: Color) -> None:
    draw.text(place, text, ink, ImageFont.load_default(size))


def _line(rng: random.Random, width: float, size: int) -> str:
    """Words that fill a line of `width` pixels."""
    font, line = ImageFont.load_default(size), _word(rng)
    while font.getlength(longer := f"{line} {_word(rng)}") < width:
        line = longer
    return line


def _paragraphs(
    rng: random.Random, draw: Draw, box: tuple[int, int, int, int], size: int, ink: Color = BLACK
) -> None:
    """Fill the box with text."""
    left, top, right, bottom = box
    pitch, y = round(size * rng.uniform(1.3, 1.6)), float(top)
    while y < bottom - pitch:
        for _ in range(rng.randint(2, 9)):
            if y < bottom - pitch:
                _write(draw, (left, y), _line(rng, right - left, size), size, ink)
                y += pitch
        if y < bottom - pitch:
            _write(
                draw, (left, y), _line(rng, (right - left) * rng.uniform(0.2, 0.8), size), size, ink
            )
        y += pitch * rng.choice((1, 1.5, 2))


def letter(rng: random.Random) -> Image.Image:
    picture, draw = _sheet(PAPER)
    for row in range(4):
        _write(draw, (130, 180 + 38 * row), _words(rng, 2, 3).title(), 26, BLACK)
    _write(
        draw,
        (820, 360),
        f"{rng.randint(1, 28)} {_word(rng).title()} 20{rng.randint(10, 29)}",
        26,
        BLACK,
    )
    _write(draw, (130, 470), _words(rng, 3, 5).capitalize(), 34, BLACK)
    _paragraphs(rng, draw, (130, 560, 1110, rng.randint(1150, 1450)), 26)
    _write(draw, (130, 1500), _words(rng, 2, 2).title(), 26, BLACK)
    return picture


def book_page(rng: random.Random) -> Image.Image:
    picture, draw = _sheet((1000, 1500), (250, 247, 238))
    _write(draw, (380, 70), _words(rng, 2, 3).title(), 22, GREY)
    _paragraphs(rng, draw, (120, 130, 880, 1400), rng.choice((24, 27, 30)), (40, 35, 30))
    _write(draw, (480, 1420), str(rng.randint(1, 400)), 22, GREY)
    return picture


def paper(rng: random.Random) -> Image.Image:
    """Two columns, headings, and in some a box where a figure would be."""
    picture, draw = _sheet(PAPER)
    _write(draw, (160, 90), _line(rng, 900, 44).title(), 44, BLACK)
    _write(draw, (320, 170), _line(rng, 600, 24).title(), 24, BLACK)
    for left in (90, 640):
        figure = rng.choice((0, 0, rng.randint(200, 420)))
        if figure:
            draw.rectangle((left, 260, left + 510, 240 + figure), outline=BLACK, width=2)
        _paragraphs(rng, draw, (left, 260 + figure, left + 510, 1660), 18)
    return picture


def receipt(rng: random.Random) -> Image.Image:
    items = rng.randint(8, 22)
    picture, draw = _sheet((560, 520 + 44 * items), (252, 252, 250))
    _write(draw, (150, 50), _word(rng).upper(), 60, BLACK)
    for row in range(3):
        _write(draw, (140, 140 + 34 * row), _words(rng, 2, 3), 24, BLACK)
    for row in range(items):
        y, price = 280 + 44 * row, f"{rng.uniform(0.5, 90):.2f}"
        _write(draw, (40, y), _words(rng, 1, 2)[:22].upper(), 28, BLACK)
        _write(draw, (520 - 15 * len(price), y), price, 28, BLACK)
    y = 300 + 44 * items
    draw.line((40, y, 520, y), BLACK, 3)
    _write(draw, (40, y + 20), "TOTAL", 40, BLACK)
    _write(draw, (370, y + 20), f"{rng.uniform(20, 400):.2f}", 40, BLACK)
    return picture


def invoice(rng: random.Random) -> Image.Image:
    """Invoices of one company: the same logo and table, different customers and items."""
    picture, draw = _sheet(PAPER)
    draw.ellipse((100, 90, 220, 210), fill=ACCENTS[1])
    _write(draw, (245, 115), "NORDWIND", 60, ACCENTS[1])
    for row in range(3):
        _write(draw, (100, 300 + 36 * row), _words(rng, 2, 3).title(), 26, BLACK)
    _write(draw, (800, 300), f"Invoice {rng.randint(10000, 99999)}", 32, BLACK)
    draw.rectangle((100, 520, 1140, 570), fill=ACCENTS[1])
    for x, name in ((110, "Item"), (640, "Count"), (780, "Price"), (980, "Amount")):
        _write(draw, (x, 530), name, 26, WHITE)
    for row in range(rows := rng.randint(4, 14)):
        y, count, price = 590 + 56 * row, rng.randint(1, 40), rng.uniform(1, 900)
        _write(draw, (110, y), _words(rng, 2, 3)[:34], 26, BLACK)
        for x, cell in ((660, str(count)), (780, f"{price:.2f}"), (980, f"{count * price:.2f}")):
            _write(draw, (x, y), cell, 26, BLACK)
        draw.line((100, y + 42, 1140, y + 42), SILVER, 2)
    _write(draw, (780, 620 + 56 * rows), f"Total {rng.uniform(100, 30000):.2f}", 34, BLACK)
    _write(draw, (100, 1640), "Nordwind Ltd, 4 Harbour Row, payable within 30 days", 22, GREY)
    return picture


def form(rng: random.Random) -> Image.Image:
    """The same form with different entries."""
    picture, draw = _sheet(PAPER)
    _write(draw, (120, 100), "Application for residence", 48, BLACK)
    template = _seeded("form")
    for row in range(14):
        for left, right in ((120, 600), (640, 1120)):
            y = 220 + 98 * row
            _write(draw, (left, y), _words(template, 1, 3).capitalize(), 20, GREY)
            draw.rectangle((left, y + 26, right, y + 80), outline=BLACK, width=2)
            if rng.random() < 0.85:
                _write(draw, (left + 14, y + 36), _words(rng, 1, 3)[:26].title(), 30, (20, 30, 120))
    return picture


def chat(rng: random.Random) -> Image.Image:
    picture, draw = _sheet(PHONE, (240, 236, 228))
    draw.rectangle((0, 0, 1080, 170), fill=(16, 110, 98))
    draw.ellipse((60, 40, 150, 130), fill=rng.choice(ACCENTS))
    _write(draw, (180, 55), _word(rng).title(), 48, WHITE)
    y = 210
    while y < 1700:
        lines, width = rng.randint(1, 4), rng.randint(300, 760)
        left = 1040 - width if rng.random() < 0.5 else 40
        box = (left, y, left + width, y + 50 + 48 * lines)
        draw.rounded_rectangle(box, 28, fill=WHITE if left == 40 else (214, 246, 204))
        for row in range(lines):
            _write(draw, (left + 28, y + 20 + 48 * row), _line(rng, width - 60, 36), 36, BLACK)
        y += 74 + 48 * lines
    draw.rounded_rectangle((40, 1790, 1040, 1880), 44, fill=WHITE)
    return picture


def app_list(rng: random.Random) -> Image.Image:
    """Lists of one app, such as mails or settings: an image, two lines of text, an arrow."""
    picture, draw = _sheet(PHONE)
    draw.rectangle((0, 0, 1080, 200), fill=ACCENTS[4])
    _write(draw, (60, 90), _words(rng, 1, 2).title(), 56, WHITE)
    for row in range(10):
        y = 230 + 165 * row
        draw.ellipse((50, y, 160, y + 110), fill=rng.choice(ACCENTS))
        _write(draw, (200, y), _line(rng, rng.randint(200, 600), 40).title(), 40, BLACK)
        _write(draw, (200, y + 58), _line(rng, 740, 32), 32, GREY)
        draw.line((200, y + 135, 1080, y + 135), SILVER, 2)
    return picture


def code(rng: random.Random) -> Image.Image:
    picture, draw = _sheet(SCREEN, (30, 32, 40))
    draw.rectangle((0, 0, 260, 1000), fill=(22, 23, 30))
    for row in range(18):
        _write(draw, (30 + 20 * rng.randint(0, 2), 60 + 32 * row), _word(rng), 20, GREY)
    indent = 0
    for row in range(34):
        indent = max(0, min(5, indent + rng.choice((-1, 0, 0, 0, 1))))
        _write(draw, (285, 30 + 28 * row), f"{row + 1}", 18, (90, 90, 100))
        x = 340 + 40 * indent
        for word in _words(rng, 0, 7).split():
            ink = rng.choice(((220, 220, 210), (130, 200, 160), (230, 150, 110), (120, 170, 230)))
            _write(draw, (x, 28 + 28 * row), word, 20, ink)
            x += 16 + round(ImageFont.load_default(20).getlength(word))
    return picture


def spreadsheet(rng: random.Random) -> Image.Image:
    picture, draw = _sheet(SCREEN)
    draw.rectangle((0, 0, 1600, 120), fill=(33, 115, 70))
    _write(draw, (40, 20), _words(rng, 1, 2).title(), 28, WHITE)
    draw.rectangle((0, 120, 1600, 160), fill=SILVER)
    for column in range(10):
        x = 60 + 160 * column
        draw.line((x, 120, x, 1000), SILVER, 2)
        texts, filled = rng.random() < 0.3, rng.randint(6, 26)
        for row in range(26):
            if row < filled:
                cell = _word(rng) if texts or not row else f"{rng.uniform(0, 10000):.1f}"
                _write(draw, (x + 10, 166 + 32 * row), cell[:14], 22, BLACK)
    for row in range(27):
        draw.line((0, 160 + 32 * row, 1600, 160 + 32 * row), SILVER, 2)
    return picture


def bar_chart(rng: random.Random) -> Image.Image:
    picture, draw = _sheet((1200, 800))
    _write(draw, (380, 30), _words(rng, 2, 4).title(), 36, BLACK)
    bars = rng.randint(5, 12)
    for row in range(6):
        draw.line((100, 130 + 110 * row, 1140, 130 + 110 * row), SILVER, 2)
        _write(draw, (30, 116 + 110 * row), str(rng.randint(1, 20) * (6 - row)), 24, GREY)
    for bar in range(bars):
        left, width = 120 + 1000 * bar // bars, 700 // bars
        draw.rectangle((left, rng.randint(150, 660), left + width, 680), fill=ACCENTS[1])
        _write(draw, (left, 695), _word(rng)[:7], 20, BLACK)
    return picture


def line_chart(rng: random.Random) -> Image.Image:
    picture, draw = _sheet((1200, 800))
    _write(draw, (120, 30), _words(rng, 2, 5).title(), 34, BLACK)
    draw.rectangle((100, 110, 1140, 700), outline=BLACK, width=2)
    for step in range(1, 6):
        draw.line((100, 110 + 98 * step, 1140, 110 + 98 * step), SILVER, 2)
        _write(draw, (30, 100 + 98 * step), f"{rng.uniform(0, 99):.0f}", 22, BLACK)
    for color in rng.sample(ACCENTS, rng.randint(1, 3)):
        y, points = rng.uniform(200, 600), []
        for step in range(60):
            y = min(680, max(130, y + rng.gauss(0, 30)))
            points.append((100 + step * 1040 / 59, y))
        draw.line(points, color, 5)
    return picture


def slide(rng: random.Random) -> Image.Image:
    """Slides with one design."""
    picture, draw = _sheet((1600, 900))
    draw.rectangle((0, 0, 1600, 130), fill=ACCENTS[0])
    draw.ellipse((1450, 780, 1550, 880), fill=ACCENTS[0])
    _write(draw, (70, 30), _words(rng, 2, 4).title(), 62, WHITE)
    for row in range(rng.randint(3, 7)):
        y = 210 + 90 * row
        draw.ellipse((90, y + 15, 110, y + 35), fill=ACCENTS[0])
        _write(draw, (140, y), _line(rng, rng.randint(400, 1200), 42), 42, BLACK)
    _write(draw, (70, 840), "Nordwind Ltd", 26, GREY)
    return picture


def street_map(rng: random.Random) -> Image.Image:
    picture, draw = _sheet((1200, 1200), (242, 239, 233))
    for _ in range(5):
        x, y, radius = rng.randint(0, 1200), rng.randint(0, 1200), rng.randint(60, 200)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius * 0.6), fill=(200, 226, 184))
    for width, count in ((6, 36), (14, 10), (24, 3)):
        for _ in range(count):
            place = rng.uniform(0, 1200), rng.uniform(0, 1200)
            angle, points = rng.choice((0, pi / 2)) + rng.gauss(0.3, 0.15), []
            for _ in range(24):
                points.append(place)
                angle += rng.gauss(0, 0.08)
                place = place[0] + 60 * cos(angle), place[1] + 60 * sin(angle)
            draw.line(points, SILVER if width < 20 else (250, 214, 130), width + 4)
            draw.line(points, WHITE if width < 20 else (250, 224, 150), width)
    for _ in range(16):
        place = rng.uniform(0, 1050), rng.uniform(0, 1170)
        _write(draw, place, _word(rng).title(), 24, (80, 80, 80))
    return picture


def handwriting(rng: random.Random) -> Image.Image:
    """Waves and loops along ruled lines."""
    picture, draw = _sheet((1000, 1400), (253, 252, 245))
    for row in range(1, 19):
        draw.line((0, 70 * row + 20, 1000, 70 * row + 20), (190, 210, 235), 2)
        x, end = 80.0, rng.choice((900, 920, 890, rng.randint(200, 900)))
        while x < end:
            points, length = [], rng.randint(3, 12)
            phase, height = rng.uniform(0, 6), rng.uniform(8, 16)
            for _step in range(length * 6):
                phase += rng.uniform(0.5, 1.1)
                tall = 2.2 if rng.random() < 0.08 else 1
                points.append((x, 70 * row + 8 - abs(height * sin(phase)) * tall))
                x += 2.6 + 1.8 * cos(phase)
            draw.line(points, (30, 40, 110), 4)
            x += 26
    return picture


def sheet_music(rng: random.Random) -> Image.Image:
    picture, draw = _sheet(PAPER)
    _write(draw, (430, 80), _words(rng, 2, 3).title(), 48, BLACK)
    for staff in range(9):
        top = 220 + 165 * staff
        for row in range(5):
            draw.line((90, top + 16 * row, 1150, top + 16 * row), BLACK, 2)
        for bar in range(5):
            draw.line((90 + 265 * bar, top, 90 + 265 * bar, top + 64), BLACK, 3)
        x = 150.0
        while x < 1120:
            y, filled = top + 8 * rng.randint(-1, 9), rng.random() < 0.75
            draw.ellipse((x, y - 7, x + 20, y + 7), fill=BLACK if filled else WHITE, outline=BLACK)
            draw.line((x + 19, y, x + 19, y - 52), BLACK, 3)
            x += rng.choice((44, 44, 66, 88))
    return picture


def crossword(rng: random.Random) -> Image.Image:
    picture, draw = _sheet((1000, 1300))
    _write(draw, (60, 40), f"No. {rng.randint(100, 9999)}", 40, BLACK)
    for row in range(13):
        for column in range(13):
            x, y = 60 + 67 * column, 110 + 67 * row
            black = rng.random() < 0.2
            draw.rectangle((x, y, x + 67, y + 67), BLACK if black else WHITE, BLACK, 2)
            if not black and rng.random() < 0.3:
                _write(draw, (x + 5, y + 3), str(rng.randint(1, 60)), 18, BLACK)
    for column in (60, 520):
        for row in range(7):
            _write(draw, (column, 1010 + 36 * row), _line(rng, 400, 22), 22, BLACK)
    return picture


def home_screen(rng: random.Random) -> Image.Image:
    """The same rows of icons over the same dark ground."""
    picture, draw = _sheet(PHONE, (24, 30, 48))
    _write(draw, (390, 120), f"{rng.randint(10, 23)}:{rng.randint(10, 59)}", 120, WHITE)
    for row in range(6):
        for column in range(4):
            x, y = 90 + 245 * column, 380 + 240 * row
            draw.rounded_rectangle((x, y, x + 150, y + 150), 34, fill=rng.choice(ACCENTS))
            sign = rng.choice("ABCDEFGHKMNPRSTUWXYZ&%#?!@")
            _write(draw, (x + 42, y + 22), sign, 96, WHITE)
            _write(draw, (x + 10, y + 165), _word(rng)[:9].title(), 28, WHITE)
    return picture


SEEN_KINDS: dict[str, Drawing] = {
    "letter": letter,
    "book page": book_page,
    "receipt": receipt,
    "invoice": invoice,
    "form": form,
    "chat": chat,
    "app list": app_list,
    "code": code,
    "spreadsheet": spreadsheet,
    "bar chart": bar_chart,
    "slide": slide,
    "street map": street_map,
}
# Not used for fitting: they measure generalization to other kinds of pages.
UNSEEN_KINDS: dict[str, Drawing] = {
    "paper": paper,
    "home screen": home_screen,
    "line chart": line_chart,
    "handwriting": handwriting,
    "sheet music": sheet_music,
    "crossword": crossword,
}
