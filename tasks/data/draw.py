"""Draw the images of the image_captioning sample: scenes of simple shapes, with captions.

    python tasks/data/draw.py       writes captioning/*.webp and image_captioning.jsonl

The rule, seeded and so always the same: a sky and a ground, with hills, a sun or a moon, houses,
trees, boats, birds and clouds at random, in twelve sizes of image as cameras and screens give
them, a little noise over it all as sensors have. The caption says what was drawn.
"""

import json
import random
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

HERE = Path(__file__).resolve().parent
SEED, IMAGES, QUALITY = 20250201, 40, 70
SIZES = (
    *((640, 480), (480, 640), (640, 427), (427, 640), (500, 375), (375, 500)),
    *((512, 512), (400, 300), (600, 338), (320, 480), (560, 420), (448, 448)),
)

Colour = tuple[int, int, int]


def main() -> None:
    """Write the images and the list of them."""
    folder = HERE / "captioning"
    folder.mkdir(exist_ok=True)
    rows = []
    for number in range(IMAGES):
        image, caption = draw_scene(number)
        file = folder / f"c{number + 1:02}.webp"
        image.save(file, quality=QUALITY, method=6)
        row = {"id": file.stem, "text": caption, "image": f"captioning/{file.name}"}
        rows.append(json.dumps(row) + "\n")
    (HERE / "image_captioning.jsonl").write_text("".join(rows), encoding="utf-8")


def draw_scene(number: int) -> tuple[Image.Image, str]:
    """One scene and its caption; the same number gives the same scene."""
    rng = random.Random(SEED + number)
    size = SIZES[number % len(SIZES)]
    night, sea = rng.random() < 0.25, rng.random() < 0.4
    horizon = round(size[1] * rng.uniform(0.45, 0.7))
    sky = ((12, 16, 48), (60, 50, 90)) if night else ((90, 150, 225), (215, 230, 245))
    ground = ((25, 60, 105), (10, 30, 60)) if sea else ((105, 150, 70), (60, 95, 40))
    image = Image.fromarray(
        np.vstack(
            [
                shade(sky, horizon, size[0]),
                shade(ground, size[1] - horizon, size[0]),
            ]
        )
    )
    pen = ImageDraw.Draw(image)
    light = "moon" if night else "sun"
    draw_light(pen, rng, size, horizon, night)
    things = [hills(pen, rng, size, horizon)] if rng.random() < 0.6 else []
    for _ in range(rng.randint(0, 3)):
        cloud(pen, rng, size, horizon, night)
    pictured = rng.randint(1, 5)
    kind = boat if sea else rng.choice((house, tree))
    for _ in range(pictured):
        kind(pen, rng, size, horizon)
    name = kind.__name__ if pictured == 1 else f"{kind.__name__}s"
    things.insert(0, f"{('a', 'two', 'three', 'four', 'five')[pictured - 1]} {name}")
    if rng.random() < 0.5:
        birds(pen, rng, size, horizon)
        things.append("birds")
    image = image.filter(ImageFilter.GaussianBlur(0.7))
    noise = np.random.default_rng(SEED + number).normal(0.0, 2.5, (size[1], size[0], 1))
    pixels = np.clip(np.asarray(image, dtype=np.float64) + noise, 0, 255).astype(np.uint8)
    place = "on the sea" if sea else "in a field"
    caption = f"{' and '.join(things)} {place} under the {light}"
    return Image.fromarray(pixels), caption


def shade(ends: tuple[Colour, Colour], height: int, width: int) -> np.ndarray:
    """A gradient from the first colour above to the second below."""
    part = np.linspace(0.0, 1.0, height)[:, None, None]
    rows = np.array(ends[0]) * (1 - part) + np.array(ends[1]) * part
    return np.broadcast_to(rows, (height, width, 3)).astype(np.uint8)


def draw_light(
    pen: ImageDraw.ImageDraw, rng: random.Random, size: tuple[int, int], horizon: int, night: bool
) -> None:
    """The sun or the moon."""
    x, y, r = (
        rng.randrange(size[0]),
        rng.randrange(horizon // 2 + 1),
        size[0] // rng.randint(12, 22),
    )
    pen.ellipse((x - r, y - r, x + r, y + r), fill=(235, 235, 220) if night else (255, 225, 90))


def hills(pen: ImageDraw.ImageDraw, rng: random.Random, size: tuple[int, int], horizon: int) -> str:
    """A range of hills along the horizon."""
    steps = rng.randint(5, 9)
    tops = [
        (size[0] * step // steps, horizon - rng.randrange(size[1] // 6))
        for step in range(steps + 1)
    ]
    grey = rng.randint(70, 130)
    pen.polygon([(0, horizon), *tops, (size[0], horizon)], fill=(grey, grey + 10, grey + 30))
    return "hills"


def cloud(
    pen: ImageDraw.ImageDraw, rng: random.Random, size: tuple[int, int], horizon: int, night: bool
) -> None:
    """A heap of ellipses."""
    x, y, unit = rng.randrange(size[0]), rng.randrange(horizon), size[0] // 24
    fill = (70, 70, 95) if night else (250, 250, 252)
    for place in range(4):
        left, drop = x + place * unit, rng.randrange(unit)
        pen.ellipse((left, y - drop, left + 2 * unit, y - drop + unit), fill=fill)


def house(
    pen: ImageDraw.ImageDraw, rng: random.Random, size: tuple[int, int], horizon: int
) -> None:
    """Walls, a roof, windows and a door."""
    w = size[0] // rng.randint(5, 9)
    h, x = round(w * rng.uniform(0.6, 1.1)), rng.randrange(max(1, size[0] - w))
    y = rng.randrange(horizon, size[1] - 1)
    wall = rng.choice(((200, 180, 150), (185, 90, 70), (225, 220, 205), (150, 160, 175)))
    pen.rectangle((x, y - h, x + w, y), fill=wall)
    pen.polygon(
        [(x - w // 8, y - h), (x + w // 2, y - h - h // 2), (x + w + w // 8, y - h)],
        fill=rng.choice(((120, 45, 40), (70, 60, 60), (95, 70, 50))),
    )
    for column in (1, 5):
        left = x + w * column // 8
        pen.rectangle((left, y - h * 3 // 4, left + w // 4, y - h // 2), fill=(90, 120, 150))
    pen.rectangle((x + w * 3 // 8, y - h // 3, x + w * 5 // 8, y), fill=(80, 50, 30))


def tree(pen: ImageDraw.ImageDraw, rng: random.Random, size: tuple[int, int], horizon: int) -> None:
    """A trunk and leaves."""
    h = size[1] // rng.randint(4, 7)
    x, y = rng.randrange(size[0]), rng.randrange(horizon, size[1] - 1)
    pen.rectangle((x - h // 16, y - h // 2, x + h // 16, y), fill=(95, 65, 40))
    for _ in range(6):
        dx, dy, r = rng.randint(-h // 4, h // 4), rng.randint(-h // 4, h // 4), h // 5
        green = (rng.randint(30, 70), rng.randint(90, 140), rng.randint(30, 60))
        top = y - h * 3 // 4 + dy
        pen.ellipse((x + dx - r, top - r, x + dx + r, top + r), fill=green)


def boat(pen: ImageDraw.ImageDraw, rng: random.Random, size: tuple[int, int], horizon: int) -> None:
    """A hull, a mast and a sail."""
    w = size[0] // rng.randint(6, 10)
    x, y = rng.randrange(max(1, size[0] - w)), rng.randrange(horizon, size[1] - 1)
    hull = rng.choice(((140, 40, 40), (240, 240, 235), (40, 50, 80)))
    pen.polygon([(x, y), (x + w, y), (x + w * 4 // 5, y + w // 5), (x + w // 5, y + w // 5)], hull)
    pen.line((x + w // 2, y, x + w // 2, y - w), fill=(60, 45, 35), width=max(2, w // 30))
    pen.polygon(
        [(x + w // 2, y - w), (x + w // 2, y - w // 8), (x + w, y - w // 8)], (245, 240, 225)
    )


def birds(
    pen: ImageDraw.ImageDraw, rng: random.Random, size: tuple[int, int], horizon: int
) -> None:
    """A few pairs of strokes in the sky."""
    for _ in range(rng.randint(3, 7)):
        x, y, r = rng.randrange(size[0]), rng.randrange(max(1, horizon - 10)), size[0] // 50
        pen.arc((x - 2 * r, y - r, x, y + r), 200, 340, fill=(25, 25, 30), width=2)
        pen.arc((x, y - r, x + 2 * r, y + r), 200, 340, fill=(25, 25, 30), width=2)


if __name__ == "__main__":
    main()
