"""Draw the sample images: landscapes, rooms, streets, tables with things on them, textures.

    python tasks/data/make_images.py           draws images/*.jpg and writes images.jsonl

They are drawn, seeded and so always the same, with the detail of photographs (noise of many
sizes, light, edges) and their sizes and shapes: what decoding and resizing cost depends on that.

`objects` are the cars and people of the streets, in COCO's words and with the box around what is
seen of each. Landscapes and textures show nothing that COCO names. Rooms and tables show things
of which one cannot say what they are: what is found there is not judged (null).
"""

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np  # a script, no part of the package
from PIL import Image, ImageDraw, ImageFilter

HERE = Path(__file__).resolve().parent
SEED = 20250201
COUNT = 40
QUALITY = 85
SIZES = [
    *((500, 375), (640, 480), (640, 427), (480, 640), (500, 333), (375, 500), (427, 640)),
    *((612, 612), (800, 450), (320, 240), (240, 200), (200, 300), (768, 512), (500, 400)),
]

Rng = np.random.Generator
Colour = tuple[int, int, int]


def noise(rng: Rng, width: int, height: int, coarsest: float = 0.5) -> np.ndarray:
    """Noise of all sizes (0 to 1), as clouds, stone and foliage have it."""
    total = np.zeros((height, width))
    share, cell = 1.0, max(2.0, max(width, height) * coarsest)
    while cell >= 2:
        grid = rng.random((int(height / cell) + 2, int(width / cell) + 2)).astype(np.float32)
        total += share * np.asarray(Image.fromarray(grid).resize((width, height), Image.BICUBIC))
        share, cell = share * 0.55, cell / 2
    return (total - total.min()) / np.ptp(total)


def blend(field: np.ndarray, low: Colour, high: Colour) -> Image.Image:
    """From one colour to another by a field of 0 to 1."""
    low_rgb, high_rgb = np.asarray(low, float), np.asarray(high, float)
    pixels = low_rgb + field[..., None].clip(0, 1) * (high_rgb - low_rgb)
    return Image.fromarray(pixels.astype(np.uint8))


def colour(rng: Rng, low: int = 30, high: int = 230) -> Colour:
    """Any colour."""
    red, green, blue = (int(value) for value in rng.integers(low, high, 3))
    return red, green, blue


def shade(base: Colour, factor: float) -> Colour:
    """The colour in more or less light."""
    red, green, blue = (int(min(255, value * factor)) for value in base)
    return red, green, blue


def textured(image: Image.Image, rng: Rng, box: tuple, base: Colour, contrast: float) -> None:
    """Fill a box with a colour and a texture."""
    left, top, right, bottom = (int(value) for value in box)
    width, height = max(2, right - left), max(2, bottom - top)
    field = noise(rng, width, height, 0.2)
    image.paste(blend(field, shade(base, 1 - contrast), shade(base, 1 + contrast)), (left, top))


@dataclass
class Things:
    """The things that are drawn in an image, and what is seen of each: others may cover it."""

    drawn: list[tuple[str, np.ndarray, int]] = field(default_factory=list)

    @contextlib.contextmanager
    def one(self, name: str, image: Image.Image) -> Iterator[None]:
        """A thing that is drawn within: the pixels that change are its own."""
        before = np.array(image)
        yield
        changed = (np.asarray(image) != before).any(axis=2)
        for _, seen, _ in self.drawn:
            seen &= ~changed
        self.drawn.append((name, changed, int(changed.sum())))

    def objects(self) -> list[dict]:
        """As COCO has them; what is hardly seen is a crowd: it need not be found, and may be."""
        found = []
        for name, seen, drawn in self.drawn:
            if not seen.any():
                continue
            rows, columns = (np.flatnonzero(seen.any(axis=axis)) for axis in (1, 0))
            left, top = int(columns[0]), int(rows[0])
            width, height = int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top
            hardly = bool(seen.sum() < drawn / 4 or min(width, height) < 8)
            box = [left, top, width, height]
            found.append({"category": name, "bbox": box, "iscrowd": int(hardly)})
        return found


def landscape(rng: Rng, width: int, height: int) -> Image.Image:
    """Sky with clouds, mountain ranges one behind the other, a meadow or water, trees."""
    sky, cloud = (int(rng.integers(40, 140)), 130, 210), (235, 230, 225)
    image = blend(noise(rng, width, height) ** 2 + np.linspace(0, 0.3, height)[:, None], sky, cloud)
    draw = ImageDraw.Draw(image)
    x, y, r = rng.uniform(0.1, 0.9) * width, rng.uniform(0.05, 0.3) * height, height / 18
    draw.ellipse((x - r, y - r, x + r, y + r), fill=(255, 246, 205))
    ground = colour(rng, 40, 130)
    for step in range(4):
        ridge = noise(rng, width, 2, 0.4)[0]
        tops = height * (0.3 + 0.13 * step + 0.25 * (1 - ridge))
        mask = Image.fromarray((np.arange(height)[:, None] > tops).astype(np.uint8) * 255)
        field = noise(rng, width, height, 0.1)
        tone = shade(ground, 1.5 - 0.25 * step)
        image.paste(blend(field, shade(tone, 0.6), shade(tone, 1.3)), mask=mask)
    for _ in range(int(rng.integers(8, 30))):
        x, y = rng.uniform(0, width), height * rng.uniform(0.7, 1.0)
        size = height * 0.22 * (y / height) ** 4
        draw.line((x, y, x, y - size), fill=(60, 45, 30), width=max(1, int(size / 12)))
        for _ in range(60):
            dx, dy = rng.normal(0, size / 4, 2)
            leaf = shade((50, 110, 45), rng.uniform(0.5, 1.6))
            draw.ellipse((x + dx, y - size + dy, x + dx + size / 9, y - size + dy + size / 9), leaf)
    return image


def room(rng: Rng, width: int, height: int) -> Image.Image:
    """Papered walls, a floor of planks, a window, pictures, a lamp, furniture."""
    image = Image.new("RGB", (width, height))
    floor = int(height * rng.uniform(0.6, 0.75))
    textured(image, rng, (0, 0, width, floor), colour(rng, 120, 220), 0.12)
    wood = (int(rng.integers(110, 180)), 95, 60)
    plank = max(6, width // 16)
    for left in range(0, width, plank):
        box = (left, floor, left + plank, height)
        textured(image, rng, box, shade(wood, rng.uniform(0.8, 1.2)), 0.25)
    x, y, w, h = (rng.uniform(0.08, 0.5) * width, 0.1 * height, 0.28 * width, 0.38 * height)
    view = landscape(rng, max(8, int(w)), max(8, int(h)))
    image.paste(view, (int(x), int(y)))
    draw = ImageDraw.Draw(image)
    for fraction in (0, 0.5, 1):
        draw.line((x + w * fraction, y, x + w * fraction, y + h), fill=(240, 240, 235), width=5)
        draw.line((x, y + h * fraction, x + w, y + h * fraction), fill=(240, 240, 235), width=5)
    for _ in range(3):
        x, y, w = (rng.uniform(0, 0.9) * width, rng.uniform(0, 0.3) * height, 0.1 * width)
        draw.rectangle((x - 4, y - 4, x + w + 4, y + w + 4), fill=(70, 50, 35))
        textured(image, rng, (x, y, x + w, y + w), colour(rng), 0.5)
    for _ in range(int(rng.integers(3, 6))):
        x, w, h = rng.uniform(0, 0.85) * width, rng.uniform(0.1, 0.35) * width, 0.2 * height
        base, cover = floor + rng.uniform(0.3, 1) * (height - floor), colour(rng)
        for leg in (x + 3, x + w - 8):
            draw.rectangle((leg, base - h / 2, leg + 5, base), fill=shade(cover, 0.4))
        textured(image, rng, (x, base - h, x + w, base - h / 2), cover, 0.3)
        draw.line((x, base - h, x + w, base - h), fill=shade(cover, 1.4), width=3)
    return image


def street(rng: Rng, width: int, height: int, things: Things | None = None) -> Image.Image:
    """Houses with rows of windows, a road, cars, people."""
    things = things or Things()
    image = blend(noise(rng, width, height), (120, 150, 190), (225, 228, 230))
    draw = ImageDraw.Draw(image)
    road, left = int(height * 0.72), 0
    textured(image, rng, (0, road, width, height), (95, 95, 100), 0.35)
    while left < width:
        house, top = int(width * rng.uniform(0.12, 0.25)), height * rng.uniform(0.05, 0.4)
        wall = colour(rng, 90, 210)
        textured(image, rng, (left, top, left + house, road), wall, 0.25)
        step = max(9, house // int(rng.integers(3, 6)))
        for x in range(left + 4, left + house - step // 2, step):
            for y in range(int(top) + 6, road - step, int(step * 1.4)):
                glass = shade((120, 150, 190), rng.uniform(0.3, 1.4))
                draw.rectangle((x, y, x + step * 0.6, y + step * 0.8), glass, shade(wall, 0.5))
        left += house
    for _ in range(int(rng.integers(2, 6))):
        x, y, w = rng.uniform(0, width), rng.uniform(road, height), width * rng.uniform(0.1, 0.22)
        paint, h = colour(rng), w * 0.28
        with things.one("car", image):
            draw.rounded_rectangle((x, y - h, x + w, y), h / 3, paint)
            draw.polygon(
                [(x + w * 0.2, y - h), (x + w * 0.3, y - 1.8 * h), (x + w * 0.7, y - 1.8 * h),
                 (x + w * 0.85, y - h)], shade(paint, 0.6),
            )  # fmt: skip
            for wheel in (0.15, 0.7):
                box = (x + w * wheel, y - h * 0.4, x + w * wheel + h * 0.7, y + h * 0.3)
                draw.ellipse(box, (25, 25, 28), (150, 150, 150), 2)
    for _ in range(int(rng.integers(3, 9))):
        x, y = rng.uniform(0, width), rng.uniform(road, height)
        h = height * 0.2
        with things.one("person", image):
            draw.rounded_rectangle((x, y - 0.8 * h, x + h / 4, y - 0.4 * h), 3, colour(rng))
            draw.rectangle((x + h / 30, y - 0.4 * h, x + h / 5, y), fill=colour(rng, 20, 90))
            draw.ellipse((x + h / 20, y - h, x + h / 5, y - 0.8 * h), fill=(205, 165, 135))
    return image


def still_life(rng: Rng, width: int, height: int) -> Image.Image:
    """Balls, fruit and bottles with light from one side, on a table."""
    image = blend(noise(rng, width, height, 0.3), colour(rng, 40, 110), colour(rng, 120, 200))
    table = int(height * rng.uniform(0.45, 0.6))
    textured(image, rng, (0, table, width, height), (150, 110, 75), 0.35)
    rows, columns = np.mgrid[0:height, 0:width]
    pixels = np.asarray(image).astype(float)
    for _ in range(int(rng.integers(5, 11))):
        x, y = rng.uniform(0, width), rng.uniform(table, height)
        r, tall = height * rng.uniform(0.06, 0.16), rng.choice([0.8, 1.0, 2.2])
        u, v = (columns - x) / r, (rows - y) / (r * tall)
        inside = u**2 + v**2 < 1
        depth = np.sqrt((1 - u**2 - v**2).clip(0))
        light = (0.25 + 0.75 * (0.6 * depth - 0.5 * u - 0.4 * v)).clip(0.1, 1.1)
        skin = 0.75 + 0.5 * noise(rng, width, height, 0.05)
        lit = np.asarray(colour(rng)) * (light * skin)[..., None] + 200 * light[..., None] ** 16
        shadow = ((columns - x - r) / (1.6 * r)) ** 2 + ((rows - y - r * tall) / (r / 3)) ** 2 < 1
        pixels[shadow] *= 0.5
        pixels[inside] = lit[inside]
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def texture(rng: Rng, width: int, height: int) -> Image.Image:
    """Cloth, stone or leaves from near by: stripes bent by noise, with a patch of another."""
    rows, columns = np.mgrid[0:height, 0:width] / height
    bend, fine = noise(rng, width, height), noise(rng, width, height, 0.03)
    frequency, angle = rng.uniform(15, 60), rng.uniform(0, np.pi)
    along = columns * np.cos(angle) + rows * np.sin(angle) + bend * rng.uniform(0, 0.6)
    stripes = 0.5 + 0.5 * np.sin(frequency * along)
    image = blend(0.6 * stripes + 0.4 * fine, colour(rng, 10, 140), colour(rng, 110, 250))
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(10, 60))):
        x, y, r = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(0.01, 0.06) * height
        corners = [(x + rng.uniform(-r, r) * 2, y + rng.uniform(-r, r) * 2) for _ in range(5)]
        draw.polygon(corners, colour(rng), colour(rng))
    return image


SCENES: tuple[Callable[[Rng, int, int], Image.Image], ...] = (
    *(landscape, room, street, still_life, texture),
)


def draw_scene(number: int) -> Image.Image:
    """Image of that number, with a lens's softness and a sensor's grain."""
    rng = np.random.default_rng([SEED, number])
    width, height = SIZES[number % len(SIZES)]
    scene = SCENES[number % len(SCENES)](rng, width, height)
    pixels = np.asarray(scene.filter(ImageFilter.GaussianBlur(0.6))).astype(float)
    pixels += rng.normal(0, 6, (height, width, 1))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def objects_of(number: int) -> list[dict] | None:
    """The things that the image of that number shows; None where one cannot say."""
    things, scene = Things(), SCENES[number % len(SCENES)]
    if scene is street:
        street(np.random.default_rng([SEED, number]), *SIZES[number % len(SIZES)], things)
    return things.objects() if scene in (street, landscape, texture) else None


def name_of(number: int) -> str:
    """Where the image of that number lies, relative to this folder."""
    return f"images/{number:02d}_{SCENES[number % len(SCENES)].__name__}.jpg"


def main() -> None:
    """Draw all of them."""
    (HERE / "images").mkdir(exist_ok=True)
    for number in range(COUNT):
        draw_scene(number).save(HERE / name_of(number), quality=QUALITY, optimize=True)
    rows = [
        json.dumps({"image": name_of(number), "objects": objects_of(number)})
        for number in range(COUNT)
    ]
    (HERE / "images.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
