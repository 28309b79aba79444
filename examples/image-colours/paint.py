"""Paints images into a folder, most of each in one colour, and prints which; the order is that of their names."""

import os
import random
import sys

from PIL import Image, ImageDraw

PAINT = {
    "red": (200, 30, 30), "orange": (235, 130, 20), "yellow": (240, 220, 40), "green": (40, 150, 60),
    "cyan": (40, 190, 190), "blue": (40, 70, 200), "purple": (120, 40, 190), "pink": (240, 90, 170),
    "black": (15, 15, 15), "grey": (128, 128, 128), "white": (250, 250, 250),
}


def paint(colour, numbers):
    """Blobs of other colours on a ground that is not quite even, as photographs are."""
    image = Image.new("RGB", (96, 64), PAINT[colour])
    draw = ImageDraw.Draw(image)
    for other in numbers.sample([each for each in PAINT if each != colour], 3):
        x, y = numbers.randrange(70), numbers.randrange(40)
        draw.ellipse((x, y, x + 24, y + 22), fill=PAINT[other])
    pixels = image.load()
    for x in range(image.width):
        for y in range(image.height):
            pixels[x, y] = tuple(max(0, min(255, part + numbers.randint(-3, 3))) for part in pixels[x, y])
    return image


def main(folder):
    numbers = random.Random(2026)
    for index in range(22):
        colour = list(PAINT)[index % len(PAINT)]
        paint(colour, numbers).save(os.path.join(folder, f"{index:02}.png"))
        print(f"{index:02}.png {colour}")


main(sys.argv[1])
