"""Two-stage training: `router train` against faiss, leidenalg and PyTorch, in one interleaved run. See README.md."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import faiss
import numpy
import torch
from threadpoolctl import threadpool_limits

import pipeline

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from measuring import TARGET, interleaved, processor, ratio, table  # noqa: E402

CONFIG = Path(__file__).resolve().parents[3] / "docs" / "configs" / "finerouter.toml"


def exported(target, config, data, out):
    """Embeddings and qualities of a data set, as our side reads and embeds it."""
    subprocess.run([f"{target}/router-estimator-peer", data, config, out], check=True, capture_output=True)
    shape = json.loads(Path(out, "shape.json").read_text())
    x = numpy.fromfile(f"{out}/embeddings.f32", "<f4").reshape(shape["n"], shape["d"])
    return x, numpy.maximum(numpy.fromfile(f"{out}/quality.f32", "<f4").reshape(shape["n"], shape["m"]), 0.0)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("train")
    parser.add_argument("test")
    parser.add_argument("--config", default=CONFIG)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--target", default=TARGET)
    arguments = parser.parse_args()
    threads, target = arguments.threads, arguments.target
    torch.set_num_threads(threads)
    faiss.omp_set_num_threads(threads)
    with tempfile.TemporaryDirectory() as folder:
        x, quality = exported(target, arguments.config, arguments.train, f"{folder}/train")
        asked, truth = exported(target, arguments.config, arguments.test, f"{folder}/test")

        def ours():
            command = [f"{target}/router", "train", "--config", arguments.config, "--data", arguments.train, "--out", f"{folder}/artifact"]
            start, before = time.perf_counter(), os.times()
            subprocess.run([*map(str, command), "--threads", str(threads), "--quiet"], check=True, capture_output=True)
            seconds, after = time.perf_counter() - start, os.times()
            command = [f"{target}/router", "eval", "--router", f"{folder}/artifact", "--data", arguments.test, "--json", "--quiet"]
            found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
            tasks = json.loads(Path(folder, "artifact", "tasks.json").read_text())
            processor_seconds = after.children_user + after.children_system - before.children_user - before.children_system
            subprocess.run(["rm", "-r", f"{folder}/artifact"], check=True)
            return seconds, processor_seconds, found["routers"][0]["quality"], len(tasks["tasks"])

        def python():
            start, cpu = time.perf_counter(), time.process_time()
            with threadpool_limits(threads):
                choose, tasks, _ = pipeline.train(x, quality)
            seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
            return seconds, cpu, truth[numpy.arange(len(asked)), choose(asked)].mean(), tasks

        runs = interleaved({"router train": ours, "faiss, leidenalg, PyTorch": python}, arguments.rounds)
    print(
        f"{len(x)} prompts, {quality.shape[1]} models, {x.shape[1]} dimensions, {threads} thread(s), {arguments.rounds} interleaved rounds, medians; {processor()}; "
        f"faiss-cpu {version('faiss-cpu')}, leidenalg {version('leidenalg')}, torch {version('torch')}\n")
    of = lambda name, at: [run[at] for run in runs[name]]
    table(["", "wall, s", "peer / ours", "processor, s", "peer / ours", "quality on the test part", "tasks"], [
        (name, f"{statistics.median(of(name, 0)):.2f}", f"{ratio(of(name, 0), of('router train', 0)):.1f}",
         f"{statistics.median(of(name, 1)):.2f}", f"{ratio(of(name, 1), of('router train', 1)):.1f}",
         f"{statistics.median(of(name, 2)):.4f}", int(statistics.median(of(name, 3))))
        for name in runs])


main()
