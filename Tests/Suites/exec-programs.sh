# Editors, languages, databases and programs that no library reaches, on URLs: bash exec-programs.sh OBJFS BUCKET SCRATCH
# Prints "ok NAME" or "FAILED NAME" for each.
set -u
objfs=$1 b=s3://$2 bucket=$2 scratch=$3
. "$(dirname "$0")/exec-checks.sh"
# That with DuckDB and pandas.
python=$suites/../../.build-tools/bin/python3
export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
seq 1 1000 > numbers
mkdir -p tree/sub && echo one > tree/a && echo two > tree/sub/b
run cp numbers "$b/numbers" && run cp -r tree "$b/tree" || exit 1

check 'vim -es' run vim -es -u NONE -i NONE -n -c '%s/^7$/seven/' -c wq "$b/numbers"
check 'vim wrote' eval 'run sed -n 7p $b/numbers | same seven'

cat > python.py << 'END'
import csv, mmap, os, pathlib, shutil, sqlite3, sys, tempfile
url = sys.argv[1] + "/python"
os.makedirs(url + "/deep/er")
with open(url + "/table.csv", "w", newline="") as file:
    writer = csv.writer(file)
    writer.writerow(["number", "text"])
    writer.writerows([n, f"text, {n}"] for n in range(1000))
with open(url + "/table.csv", newline="") as file:
    assert sum(int(row["number"]) for row in csv.DictReader(file)) == 499500
for number in range(3):
    pathlib.Path(url, "deep", "er", str(number)).write_text("x" * number)
assert sorted(path.name for path in pathlib.Path(url).rglob("*") if path.is_file()) == ["0", "1", "2", "table.csv"]
assert [(len(folders), len(files)) for _, folders, files in os.walk(url)] == [(1, 1), (1, 0), (0, 3)]
shutil.copytree(url + "/deep", url + "/copy")
shutil.move(url + "/copy", url + "/moved")
assert sorted(os.listdir(url + "/moved/er")) == ["0", "1", "2"] and not os.path.exists(url + "/copy")
with open(url + "/map", "w+b") as file:
    file.truncate(10000)
    with mmap.mmap(file.fileno(), 0) as view:
        view[5000:5005] = b"hello"
        view.flush()
with open(url + "/map", "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as view:
    assert view.find(b"hello") == 5000
base = sqlite3.connect(url + "/base")
base.execute("create table t (a integer, b text)")
with base:
    base.executemany("insert into t values (?, ?)", [(n, "x" * 100) for n in range(1000)])
base.close()
assert sqlite3.connect(url + "/base").execute("select sum(a) from t").fetchone() == (499500,)
with tempfile.TemporaryDirectory(dir=url) as folder, tempfile.NamedTemporaryFile(dir=folder) as file:
    file.write(b"x")
assert os.path.samefile(url + "/map", url + "/deep/../map") and os.path.isdir(os.path.realpath(url))
shutil.rmtree(url + "/moved")
assert sorted(os.listdir(url)) == ["base", "deep", "map", "table.csv"], os.listdir(url)
END
check 'python' run python3 python.py "$b"

cat > perl.pl << 'END'
my $url = shift;
mkdir "$url/perl" or die;
open(my $file, ">", "$url/perl/a") or die "$!"; print $file "x\n"; close $file or die;
open($file, ">>", "$url/perl/a") or die "$!"; print $file "y\n"; close $file or die;
rename "$url/perl/a", "$url/perl/b" or die;
opendir(my $folder, "$url/perl") or die; die if join(" ", sort readdir $folder) ne ". .. b";
open($file, "<", "$url/perl/b") or die; die if join("", <$file>) ne "x\ny\n";
die if -s "$url/perl/b" != 4 || !-d "$url/perl" || -e "$url/perl/a";
die if join(" ", glob("$url/perl/*")) ne "$url/perl/b";
unlink "$url/perl/b" or die; rmdir "$url/perl" or die;
END
check 'perl' run perl perl.pl "$b"

cat > node.js << 'END'
const fs = require('fs'), assert = require('assert'), url = process.argv[2] + '/node';
fs.mkdirSync(url + '/deep/er', { recursive: true });
fs.writeFileSync(url + '/a', 'one\n');
fs.appendFileSync(url + '/a', 'two\n');
assert.equal(fs.readFileSync(url + '/a', 'utf8'), 'one\ntwo\n');
fs.copyFileSync(url + '/a', url + '/b');
fs.renameSync(url + '/b', url + '/deep/c');
assert.deepEqual(fs.readdirSync(url).sort(), ['a', 'deep']);
assert.equal(fs.statSync(url + '/deep/c').size, 8);
assert(fs.existsSync(url + '/a') && !fs.existsSync(url + '/b'));
assert.equal(fs.readFileSync(fs.realpathSync(url + '/a'), 'utf8'), 'one\ntwo\n');
fs.promises.readFile(url + '/deep/c', 'utf8').then(text => {
    assert.equal(text, 'one\ntwo\n');
    fs.createReadStream(url + '/a').pipe(fs.createWriteStream(url + '/stream')).on('close', () => {
        assert.equal(fs.readFileSync(url + '/stream', 'utf8'), 'one\ntwo\n');
        fs.rmSync(url, { recursive: true });
        assert(!fs.existsSync(url));
    });
});
END
check 'node' run node node.js "$b"

cat > Files.java << 'END'
import java.nio.file.*;
import java.util.*;

public class Files {
    static void check(boolean holds) { if (!holds) throw new AssertionError(); }
    public static void main(String[] words) throws Exception {
        Path folder = Path.of(words[0], "java"), file = folder.resolve("deep/a");
        java.nio.file.Files.createDirectories(file.getParent());
        java.nio.file.Files.write(file, List.of("one", "two"));
        check(java.nio.file.Files.readAllLines(file).equals(List.of("one", "two")));
        check(new java.io.File(file.toString()).length() == 8);
        try (var reader = new java.io.BufferedReader(new java.io.FileReader(file.toFile()))) {
            check(reader.readLine().equals("one"));
        }
        java.nio.file.Files.move(file, folder.resolve("b"));
        java.nio.file.Files.copy(folder.resolve("b"), folder.resolve("c"));
        try (var list = java.nio.file.Files.walk(folder)) { check(list.count() == 4); }
        check(java.nio.file.Files.readString(folder.resolve("c").toRealPath()).equals("one\ntwo\n"));
        for (String name : new String[] { "b", "c", "deep" }) java.nio.file.Files.delete(folder.resolve(name));
        java.nio.file.Files.delete(folder);
        check(java.nio.file.Files.notExists(folder));
        check(java.nio.file.Files.readAllLines(Path.of(words[0], "numbers")).size() == 1000);
    }
}
END
check 'java' run java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC Files.java "$b"

git init -q -b main repository && (cd repository && echo 1 > file && git add . && git commit -qm one)
check 'git clone into a bucket' run git clone -q repository "$b/clone"
check 'git in a bucket' run git -C "$b/clone" fsck --strict
check 'git clone from a bucket' run git clone -q "$b/clone" back
check 'git remembers a name that works again' eval 'run git -C back fetch origin && git -C back config remote.origin.url | same "/s3:/$bucket/clone"'

check 'image made' run /usr/bin/convert -size 8x8 xc:red "$b/red.png"
check 'image read' eval 'run /usr/bin/convert "$b/red.png" -resize 4x4 txt:- | sed -n 2p | grep -q "#FF0000"'
check 'duckdb' eval 'run "$python" -c "import duckdb; print(duckdb.sql(\"select sum(number) from read_csv('\''s3:/$bucket/python/table.csv'\'')\").fetchall())" | same "[(499500,)]"'
check 'pandas' eval 'run "$python" -c "
import pandas
print(pandas.read_csv(open(\"$b/python/table.csv\"))[\"number\"].sum())
pandas.DataFrame({\"x\": [1, 2]}).to_csv(\"s3:/$bucket/frame.csv\", index=False)
with open(\"$b/frame.csv\") as file: print(file.read())" | tr "\n" " " | same "499500 x 1 2  "'

# Those that no library reaches get paths, and find s3: in their folder.
static=$(command -v busybox)
check 'static program' eval 'run "$static" cat "$b/tree/a" | same one'
check 'static program writes' run "$static" cp numbers "$b/copied"
check 'static program wrote' eval 'run cat "$b/copied" | cmp - numbers'
check 'static program, an argument with =' eval 'run "$static" dd if="$b/tree/a" 2> /dev/null | same one'
check 'its own names' eval 'run "$static" sh -c "cat s3:/$bucket/tree/a; cat s3://$bucket/tree/sub/b" | tr "\n" " " | same "one two "'
# Through a pipe: with sendfile(2), as of this cat, writers that share a file may write over one another.
check 'its own names, four at once' eval '
    { for i in 1 2 3 4; do run "$static" sh -c "cat s3:/$bucket/tree/a; sleep 0.$i; cat s3:/$bucket/tree/a" & done; wait; } |
        sort | uniq -c | tr -d " " | same 8one && ! ls -d s3: 2> /dev/null'
check '-v tells the way' eval '"$objfs" exec -v -- "$static" true 2>&1 | same "objfs: exec: $static: arguments rewritten, with s3: in its folder"'
check '-v tells of preloading' eval '"$objfs" exec -v -- cat "$b/tree/a" 2>&1 | grep -q "cat: preloaded\$"'
echo '{"a": 1}' > json
check 'Go' eval 'run cp json "$b/json" && run gron "$b/json" | tail -n 1 | same "json.a = 1;"'
cp "$(command -v cat)" capable && setfattr -n security.capability -v 0x0100000200200000000000000000000000000000 capable
check 'a program with rights of its own' eval 'run ./capable "$b/tree/a" | same one'
check 'nothing is left in the folder' eval '! ls -d s3: 2> /dev/null'
