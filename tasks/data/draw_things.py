"""Draw the images that image classification is judged by: one thing each, with its name.

    python tasks/data/draw_things.py       writes things/*.webp and image_classes.jsonl

Twelve classes of ImageNet that have one name only, and that a few shapes show: each three times,
in another place, size, turn and light. Seeded, and so always the same.
"""

import json
import math
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

HERE = Path(__file__).resolve().parent
SEED, OF_EACH, EDGE, QUALITY = 20261130, 3, 256, 80
LARGE = 3 * EDGE  # drawn larger, and made small: smooth edges

Colour = tuple[int, int, int]
Pen = ImageDraw.ImageDraw
CENTRE = LARGE / 2


def main() -> None:
    """Write the images and the list of them."""
    (HERE / "things").mkdir(exist_ok=True)
    rows = []
    for name, draw in CLASSES.items():
        for number in range(OF_EACH):
            file = f"things/{name.replace(' ', '_')}_{number + 1}.webp"
            drawn(name, draw, number).save(HERE / file, quality=QUALITY, method=6)
            rows.append(json.dumps({"image": file, "label": name}) + "\n")
    (HERE / "image_classes.jsonl").write_text("".join(rows), encoding="utf-8")


def drawn(name: str, draw: Callable[[Pen, random.Random], None], number: int) -> Image.Image:
    """A thing on a plain ground with its shadow, light from the upper left, and a little grain."""
    rng = random.Random(f"{SEED} {name} {number}")
    thing = Image.new("RGBA", (LARGE, LARGE))
    draw(ImageDraw.Draw(thing), rng)
    thing = thing.rotate(rng.uniform(-20, 20), Image.BICUBIC)
    edge = round(LARGE * rng.uniform(0.75, 1.0))
    thing = thing.resize((edge, edge), Image.LANCZOS)
    place = tuple(round((LARGE - edge) * rng.uniform(0.2, 0.8)) for _ in range(2))
    base = np.array([rng.randint(90, 220) for _ in range(3)], dtype=float)
    light = np.linspace(1.15, 0.8, LARGE)[:, None, None]
    ground = np.broadcast_to(base * light, (LARGE, LARGE, 3)).clip(0, 255)
    image = Image.fromarray(ground.astype(np.uint8))
    shape = thing.getchannel("A")
    shadow = shape.filter(ImageFilter.GaussianBlur(14)).point(lambda value: value // 2)
    image.paste((25, 25, 30), (place[0] + 20, place[1] + 26), shadow)
    image.paste(lit(thing), place, shape)
    image = image.resize((EDGE, EDGE), Image.LANCZOS)
    grain = np.random.default_rng(rng.randrange(2**32)).normal(0, 3, (EDGE, EDGE, 1))
    return Image.fromarray((np.asarray(image) + grain).clip(0, 255).astype(np.uint8))


def lit(thing: Image.Image) -> Image.Image:
    """Lighter at the upper left, darker at the lower right."""
    rows, columns = np.mgrid[0 : thing.height, 0 : thing.width] / thing.width
    light = 1.25 - 0.55 * (0.5 * rows + 0.5 * columns)
    pixels = np.asarray(thing.convert("RGB")) * light[..., None]
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def disc(pen: Pen, x: float, y: float, r: float, fill: Colour, squeeze: float = 1.0) -> None:
    """A disc, or an ellipse that is `squeeze` times as high as it is broad."""
    pen.ellipse((x - r, y - r * squeeze, x + r, y + r * squeeze), fill=fill)


def ring(count: int, r: float, turn: float = 0.0) -> list[tuple[float, float]]:
    """Points on a circle around the centre."""
    angles = (2 * math.pi * (step + turn) / count for step in range(count))
    return [(CENTRE + r * math.cos(angle), CENTRE + r * math.sin(angle)) for angle in angles]


def round_with_light(pen: Pen, base: Colour, squeeze: float = 1.0, r: float = 260) -> None:
    """A round body: rings from its dark edge to a light spot."""
    for step in range(24):
        part = step / 24
        fill = tuple(min(255, round(value * (0.72 + 0.45 * part))) for value in base)
        off = -70 * part
        disc(pen, CENTRE + off, CENTRE + off, r * (1 - 0.9 * part), fill, squeeze)


def orange(pen: Pen, rng: random.Random) -> None:
    """A round fruit with pores and the end of its stem."""
    round_with_light(pen, (240, 140, 30))
    for _ in range(500):
        angle, r = rng.uniform(0, 2 * math.pi), 245 * math.sqrt(rng.random())
        disc(pen, CENTRE + r * math.cos(angle), CENTRE + r * math.sin(angle), 3, (215, 115, 20))
    disc(pen, CENTRE + 20, CENTRE - 190, 16, (90, 110, 40))


def lemon(pen: Pen, rng: random.Random) -> None:
    """A yellow oval with a tip at each end."""
    for side in (-1, 1):
        disc(pen, CENTRE + side * 265, CENTRE, 45, (225, 200, 50), 0.8)
    round_with_light(pen, (245, 220, 60), 0.72, 265)
    for _ in range(250):
        angle, r = rng.uniform(0, 2 * math.pi), 240 * math.sqrt(rng.random())
        x, y = CENTRE + r * math.cos(angle), CENTRE + 0.7 * r * math.sin(angle)
        disc(pen, x, y, 3, (220, 195, 50))


def banana(pen: Pen, rng: random.Random) -> None:
    """A yellow crescent with dark ends."""
    for step in range(121):
        angle = math.radians(25 + 130 * step / 120)
        x, y = CENTRE + 280 * math.cos(angle), CENTRE - 120 + 280 * math.sin(angle)
        thick = 22 + 48 * math.sin(math.pi * step / 120) ** 0.6
        end = step < 4 or step > 116
        disc(pen, x, y, thick, (80, 60, 30) if end else (240, 210, 60))
    pen.arc(
        (CENTRE - 275, CENTRE - 395, CENTRE + 275, CENTRE + 155), 30, 150, (205, 170, 40), width=7
    )


def strawberry(pen: Pen, rng: random.Random) -> None:
    """A red heart with seeds and leaves."""
    outline = []
    for step in range(100):
        t = 2 * math.pi * step / 100
        x, y = math.sin(t), math.cos(t)
        narrower = (1 - 0.42 * max(0.0, y)) * (1 - 0.35 * max(0.0, y))
        outline.append((CENTRE + 225 * narrower * x, CENTRE + 10 + 260 * y))
    pen.polygon(outline, (210, 30, 45))
    for row in range(6):
        half = 4 - row // 2
        for column in range(-half, half + 1):
            x, y = CENTRE + column * 46 + 23 * (row % 2), CENTRE - 130 + row * 62
            if abs(x - CENTRE) < 190 - row * 26:
                disc(pen, x, y, 6, (245, 215, 120), 1.6)
    for x, y in ring(7, 150):
        pen.polygon(
            [(CENTRE - 22, CENTRE - 225), (CENTRE + 22, CENTRE - 225),
             (x, CENTRE - 215 + (y - CENTRE) * 0.35)], (60, 140, 50),
        )  # fmt: skip
    pen.line((CENTRE, CENTRE - 225, CENTRE + 15, CENTRE - 310), (70, 130, 50), 16)


def tennis_ball(pen: Pen, rng: random.Random) -> None:
    """A yellow-green felt ball with its white seam."""
    round_with_light(pen, (200, 225, 60))
    for side in (-1, 1):
        x = CENTRE + side * 270
        box = (x - 190, CENTRE - 190, x + 190, CENTRE + 190)
        ends = (118, 242) if side > 0 else (-62, 62)
        pen.arc(box, *ends, fill=(245, 245, 235), width=18)


def soccer_ball(pen: Pen, rng: random.Random) -> None:
    """A white ball with black pentagons, joined by seams."""
    round_with_light(pen, (230, 230, 232))
    pen.polygon(ring(5, 85, 0.75), (20, 20, 25))
    for near, far in zip(ring(5, 85, 0.75), ring(5, 185, 0.75), strict=True):
        pen.line((*near, *far), (60, 60, 65), 7)
    outer = ring(5, 185, 0.75)
    for place, (x, y) in enumerate(outer):
        angle = math.atan2(y - CENTRE, x - CENTRE)
        points = [
            (x + r * math.cos(angle + a), y + r * math.sin(angle + a))
            for r, a in ((4, 0), (62, -0.95), (72, -0.35), (72, 0.35), (62, 0.95))
        ]
        pen.polygon(points, (20, 20, 25))
        following = outer[(place + 1) % 5]
        middle = ((x + following[0]) / 2, (y + following[1]) / 2)
        pen.line((x, y, *middle, *following), (60, 60, 65), 7)


def basketball(pen: Pen, rng: random.Random) -> None:
    """An orange-brown ball with black lines."""
    round_with_light(pen, (205, 105, 45))
    black = (35, 25, 20)
    pen.line((CENTRE - 258, CENTRE, CENTRE + 258, CENTRE), black, 11)
    pen.line((CENTRE, CENTRE - 258, CENTRE, CENTRE + 258), black, 11)
    for side in (-1, 1):
        x = CENTRE + side * 330
        box = (x - 250, CENTRE - 250, x + 250, CENTRE + 250)
        ends = (132, 228) if side > 0 else (-48, 48)
        pen.arc(box, *ends, fill=black, width=11)


def umbrella(pen: Pen, rng: random.Random) -> None:
    """An open umbrella from the side: eight gores, scallops, a stick with a crook."""
    pen.line((CENTRE, CENTRE - 250, CENTRE, CENTRE + 240), (70, 50, 35), 14)
    pen.arc((CENTRE - 90, CENTRE + 190, CENTRE + 7, CENTRE + 290), 0, 190, (70, 50, 35), 14)
    paint = rng.choice([(200, 40, 50), (40, 80, 180), (230, 180, 40)])
    top = (CENTRE, CENTRE - 230)
    edges = [CENTRE - 300 + 600 * step / 6 for step in range(7)]
    for place in range(6):
        dark = tuple(round(value * (0.75 + 0.25 * (place % 2))) for value in paint)
        left, right = edges[place], edges[place + 1]
        rim = [(x, CENTRE + 30 + 20 * math.sin(math.pi * (left - x) / (right - left)))
               for x in np.linspace(left, right, 12)]  # fmt: skip
        outer, inner = (
            [
                (CENTRE + (x - CENTRE) * math.sin(t), CENTRE + 30 - 260 * math.cos(t))
                for t in np.linspace(0, math.pi / 2, 14)
            ]
            for x in (left, right)
        )
        pen.polygon([*reversed(outer), top, *inner, *reversed(rim)], dark)


def envelope(pen: Pen, rng: random.Random) -> None:
    """A closed envelope from behind: its flap and its folds."""
    paper = rng.choice([(245, 240, 225), (215, 190, 150), (240, 240, 245)])
    left, top, right, bottom = CENTRE - 300, CENTRE - 195, CENTRE + 300, CENTRE + 195
    pen.rectangle((left, top, right, bottom), paper)
    line = tuple(round(value * 0.7) for value in paper)
    for x in (left, right):
        pen.line((x, bottom, CENTRE, CENTRE + 10), line, 6)
    flap = tuple(round(value * 0.93) for value in paper)
    pen.polygon([(left, top), (right, top), (CENTRE, CENTRE + 60)], flap, line, 6)
    pen.rectangle((left, top, right, bottom), outline=line, width=5)


def hourglass(pen: Pen, rng: random.Random) -> None:
    """Two glass bulbs with sand, between two plates and posts of wood."""
    wood, glass, sand = (120, 75, 40), (205, 225, 230), (225, 185, 110)
    for side in (-1, 1):
        x = CENTRE + side * 175
        pen.rectangle((x - 13, CENTRE - 280, x + 13, CENTRE + 280), wood)
    for side in (-1, 1):
        bulb = [(CENTRE - 12, CENTRE), (CENTRE + 12, CENTRE), (CENTRE + 130, CENTRE + side * 130),
                (CENTRE + 140, CENTRE + side * 260), (CENTRE - 140, CENTRE + side * 260),
                (CENTRE - 130, CENTRE + side * 130)]  # fmt: skip
        pen.polygon(bulb, glass)
    pen.polygon([(CENTRE - 92, CENTRE - 95), (CENTRE + 92, CENTRE - 95), (CENTRE, CENTRE)], sand)
    pen.polygon(
        [(CENTRE, CENTRE + 130), (CENTRE + 132, CENTRE + 258), (CENTRE - 132, CENTRE + 258)], sand
    )
    pen.line((CENTRE, CENTRE, CENTRE, CENTRE + 150), sand, 6)
    for side in (-1, 1):
        y = CENTRE + side * 285
        pen.rectangle((CENTRE - 225, y - 28, CENTRE + 225, y + 28), wood)


def dumbbell(pen: Pen, rng: random.Random) -> None:
    """A bar with two discs at each end."""
    pen.rectangle((CENTRE - 300, CENTRE - 17, CENTRE + 300, CENTRE + 17), (165, 168, 175))
    for side in (-1, 1):
        for off, half in ((165, 165), (222, 125)):
            x = CENTRE + side * off
            box = (x - 26, CENTRE - half, x + 26, CENTRE + half)
            pen.rounded_rectangle(box, 14, (45, 45, 52), (90, 90, 98), 5)


def balloon(pen: Pen, rng: random.Random) -> None:
    """A hot-air balloon: an envelope of coloured gores, ropes and a basket."""
    paints = [(215, 45, 50), (240, 190, 50), (45, 95, 185), (240, 240, 235)]
    rng.shuffle(paints)
    x, y = CENTRE, CENTRE - 90
    for place, broad in enumerate((240, 195, 140, 80, 28)):
        paint = paints[place % 4]
        pen.ellipse((x - broad, y - 240, x + broad, y + 240), paint)
        low = [(x - broad * 0.8, y + 140), (x + broad * 0.8, y + 140),
               (x + broad * 0.22, y + 320), (x - broad * 0.22, y + 320)]  # fmt: skip
        pen.polygon(low, paint)
    for side in (-1, 1):
        pen.line((x + side * 50, y + 320, x + side * 38, y + 395), (60, 50, 40), 6)
    pen.rectangle((x - 46, y + 390, x + 46, y + 455), (130, 85, 45))


CLASSES: dict[str, Callable[[Pen, random.Random], None]] = {
    "orange": orange,
    "lemon": lemon,
    "banana": banana,
    "strawberry": strawberry,
    "tennis ball": tennis_ball,
    "soccer ball": soccer_ball,
    "basketball": basketball,
    "umbrella": umbrella,
    "envelope": envelope,
    "hourglass": hourglass,
    "dumbbell": dumbbell,
    "balloon": balloon,
}
"""Names of ImageNet's classes: those with several names differ from model to model."""


if __name__ == "__main__":
    main()
