"""Says which range of colours most of an image is in, and which colour stands for it; the image is standard input."""

import colorsys
import io
import sys

from PIL import Image

RANGES = ["red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink"]
# Where each range of hues ends, in degrees; what is behind the last is red again.
ENDS = [15, 45, 70, 165, 200, 260, 290, 345]


def name(red, green, blue):
    hue, saturation, value = colorsys.rgb_to_hsv(red / 255, green / 255, blue / 255)
    if value < 0.2:
        return "black"
    if saturation < 0.15:
        return "white" if value > 0.85 else "grey"
    return next((name for name, end in zip(RANGES, ENDS) if hue * 360 < end), "red")


def main(key):
    image = Image.open(io.BytesIO(sys.stdin.buffer.read())).convert("RGB")
    few = image.quantize(16)
    palette = few.getpalette()
    # How many pixels each range has, and the commonest colour of it.
    ranges = {}
    for count, index in sorted(few.getcolors(), reverse=True):
        colour = tuple(palette[3 * index:3 * index + 3])
        total, commonest = ranges.get(name(*colour), (0, colour))
        ranges[name(*colour)] = (total + count, commonest)
    range_, (total, colour) = max(ranges.items(), key=lambda item: item[1][0])
    print(key, range_, "#%02x%02x%02x" % colour, f"{100 * total // (image.width * image.height)}%")


main(sys.argv[1])
