"""What Lithops's Storage OS has, and what it has not, by Python's own os and open."""
import os
import shutil
import sys

place = sys.argv[1] if len(sys.argv) > 1 else "tour"
os.makedirs(os.path.join(place, "d", "e"))
for name in ("a.txt", "d/b.txt", "d/e/c.txt"):
    with open(os.path.join(place, name), "w", encoding="utf-8") as f:
        f.write(f"this is {name}\n")

for folder, folders, files in os.walk(place):
    print(os.path.relpath(folder, place), sorted(folders), sorted(files))

file = os.path.join(place, "a.txt")
print(os.path.exists(file), os.path.isfile(file), os.path.isdir(place), os.path.getsize(file))
with open(file, "a", encoding="utf-8") as f:
    f.write("and more\n")
os.rename(file, file + ".bak")
with open(file + ".bak", "r+", encoding="utf-8") as f:
    print(f.readlines())
    f.seek(0)
    f.write("That")
with open(file + ".bak", encoding="utf-8") as f:
    print(f.read().splitlines())
os.remove(file + ".bak")
print(os.path.exists(file), sorted(entry.name for entry in os.scandir(place)))
shutil.rmtree(place)
print(os.path.exists(place))
