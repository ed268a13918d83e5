"""Decodes ../shared/data/odd (or the folder given) and compares every verdict
and every pixel with Pillow's in its MANIFEST.tsv.

usage: check_odd_images.py DECODE_RGB [FOLDER]"""
import csv
import pathlib
import subprocess
import sys

top = pathlib.Path(__file__).resolve().parents[2]
folder = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else \
    top.parent / "shared" / "data" / "odd"


def read_table(path):
    with open(path, newline="") as f:
        return list(csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE))


def differences(rows, answers):
    """(path, kind, what was wanted, what came) for each file that differs."""
    for row, answer in zip(rows, answers):
        got = answer.split("\t")
        if got[0] != row["status"]:
            yield row["path"], "verdict", row["status"] + " " + row["message"], answer
        elif got[0] == "ok":
            fields = {"width": got[1], "height": got[2], "mode": got[3],
                      "orientation": got[4], "progressive": got[5]}
            for name, value in fields.items():
                want = row[name] or ("1" if name == "orientation" else "0")
                if value != want:
                    yield row["path"], name, want, value
            if got[8] != row["rgb_sha256"]:
                yield row["path"], "pixels", row["rgb_sha256"][:16], got[8][:16]


def main():
    if not (folder / "MANIFEST.tsv").exists():
        print(f"SKIPPED: no odd images at {folder}")
        return 77
    rows = read_table(folder / "MANIFEST.tsv")
    names = "".join(f"{folder / r['path']}\n" for r in rows)
    out = subprocess.run([sys.argv[1]], input=names, text=True,
                         stdout=subprocess.PIPE, check=True).stdout
    answers = out.splitlines()
    assert len(answers) == len(rows), f"{len(answers)} answers of {len(rows)}"
    table = top / "tests" / "data" / "odd_differences.tsv"
    known = {(r["path"], r["kind"]) for r in read_table(table)} \
        if table.exists() else set()
    found = list(differences(rows, answers))
    new = [d for d in found if d[:2] not in known]
    gone = known - {d[:2] for d in found}
    for d in new:
        print("differs:", *d, sep="\t")
    for d in sorted(gone):
        print("listed but equal:", *d, sep="\t")
    print(f"{len(rows)} files, {len(found)} known or new differences, "
          f"{len(new)} new, {len(gone)} listed that are gone")
    return 1 if new or gone else 0


if __name__ == "__main__":
    sys.exit(main())
