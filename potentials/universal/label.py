"""Label structures with the teacher, shard by shard. Stop it at will: the same command goes on.

    python potentials/universal/label.py --seeds seeds.extxyz.xz --weights nequix-oam-1-pft.nqx --shards 2:10

Writes ``labels/NNNN.npz.xz`` and enters each finished shard into ``labels/manifest.json``. What is done of an
unfinished shard lies in the folder ``work`` in parts, so that little is lost; the same structures come again whenever a
shard is made with the same seeds and held-out formulas. Needs what ``universal_set/teacher.py`` names.
"""

import argparse
import shutil
import time
from pathlib import Path
from typing import Any

from held_out import LIST, read_held_out
from universal_set.labelling import label_jobs
from universal_set.seeds import Seeds, read_frames
from universal_set.shards import Labelled, enter, read_manifest, read_shard, sha256, write_shard
from universal_set.structures import PLANS, make_job, version_of

HERE = Path(__file__).parent
JOBS_PER_PART = 60


def part_folder(work: Path, shard: int) -> Path:
    """Folder of the parts of an unfinished shard."""
    return work / f"v{version_of(shard)}-{shard:04d}"


def jobs_of(shard: int) -> int:
    """Count the jobs of a whole shard."""
    return sum(PLANS[version_of(shard)].jobs.values())


def label_shard(shard: int, seeds: Seeds, teacher: Any, work: Path, deadline: float) -> tuple[list[Labelled], int]:  # noqa: ANN401
    """Label a shard until `deadline` and count the jobs done; parts come from `work` where they are there."""
    folder = part_folder(work, shard)
    folder.mkdir(parents=True, exist_ok=True)
    n_jobs = jobs_of(shard)
    frames: list[Labelled] = []
    for start in range(0, n_jobs, JOBS_PER_PART):
        path = folder / f"{start:04d}.npz.xz"
        if not path.exists():
            if time.time() > deadline:
                return frames, start
            began = time.perf_counter()
            jobs = {n: make_job(seeds, shard, n) for n in range(start, min(start + JOBS_PER_PART, n_jobs))}
            write_shard(path, label_jobs(jobs, teacher, seeds.allows))
            print(f"shard {shard} jobs {start}+ {time.perf_counter() - began:.0f} s", flush=True)
        frames += read_shard(path)
    return frames, n_jobs


def origin(weights: Path, seeds: Path) -> dict[str, str]:
    """Say from which files labels come."""
    return {
        "teacher": weights.stem,
        "teacher_sha256": sha256(weights),
        "seeds_sha256": sha256(seeds),
        "held_out_sha256": sha256(LIST),
    }


def parse_arguments() -> argparse.Namespace:
    """Arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=Path, required=True, help="seed crystals, .extxyz.xz")
    parser.add_argument("--weights", type=Path, required=True, help="weights of the teacher, .nqx")
    parser.add_argument("--shards", required=True, help="first:last+1, of those that are not in the manifest")
    parser.add_argument("--hours", type=float, default=1e6, help="begin no part after so many hours")
    parser.add_argument("--close", action="store_true", help="write the last shard as it is when time is over")
    parser.add_argument("--labels", type=Path, default=HERE / "labels", help="folder of the shards")
    parser.add_argument("--work", type=Path, default=HERE / "work", help="folder of unfinished shards")
    return parser.parse_args()


def main() -> None:
    """Label the shards that are asked for."""
    arguments = parse_arguments()
    from universal_set.teacher import Teacher, torch_form  # noqa: PLC0415 - --help does without the teacher

    deadline = time.time() + 3600 * arguments.hours
    arguments.labels.mkdir(parents=True, exist_ok=True)
    arguments.work.mkdir(parents=True, exist_ok=True)
    seeds = Seeds(read_frames(arguments.seeds), read_held_out())
    teacher = Teacher(torch_form(arguments.weights, arguments.work))
    sources = origin(arguments.weights, arguments.seeds)
    first, end = map(int, arguments.shards.split(":"))
    for shard in range(first, end):
        path = arguments.labels / f"{shard:04d}.npz.xz"
        if path.name in read_manifest(arguments.labels)["shards"]:
            continue
        frames, n_jobs = label_shard(shard, seeds, teacher, arguments.work, deadline)
        if not frames or (n_jobs < jobs_of(shard) and not arguments.close):
            break
        write_shard(path, frames)
        made_with = {"shard": shard, "version": version_of(shard), "jobs": n_jobs, **sources}
        enter(arguments.labels, path, frames, made_with)
        shutil.rmtree(part_folder(arguments.work, shard))
        print(f"{path.name}: {len(frames)} structures, {path.stat().st_size} bytes", flush=True)


if __name__ == "__main__":
    main()
