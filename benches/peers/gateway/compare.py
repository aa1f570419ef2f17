"""What a gateway costs: a direct call, `router serve` and LiteLLM's proxy in one interleaved run. See README.md."""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from measuring import TARGET, processor, table  # noqa: E402


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def wait_for(url, process, seconds=180):
    end = time.time() + seconds
    while time.time() < end:
        if process.poll() is not None:
            sys.exit(f"{url}: the process ended with {process.returncode}")
        try:
            urllib.request.urlopen(url, timeout=2).read()
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.2)
    sys.exit(f"{url} does not answer")


def models_of(artifact):
    manifest = json.loads((Path(artifact) / "manifest.json").read_text())
    return [model["model"] for model in manifest["models"]]


def resident(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return float("nan")


class Processes:
    """What runs beside, until the end."""

    def __init__(self, folder):
        self.folder, self.started = Path(folder), []

    def start(self, name, command, **more):
        log = open(self.folder / f"{name}.log", "w")
        process = subprocess.Popen(list(map(str, command)), stdout=log, stderr=log, **more)
        self.started.append(process)
        return process

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.started:
            process.terminate()
        for process in self.started:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def serve(processes, name, artifact, upstream, target):
    config = f'[[upstreams]]\nname = "mock"\nbase_url = "{upstream}"\nconcurrency = 1024\nqueue = 1024\n'
    for model in models_of(artifact):
        config += f'[[models]]\nmodel = "{model}"\nserved_by = [{{ upstream = "mock" }}]\n'
    path = processes.folder / f"{name}.toml"
    path.write_text(config)
    port = free_port()
    process = processes.start(name, [Path(target) / "router", "serve", "--router", artifact, "--config", path, "--listen", f"127.0.0.1:{port}"])
    wait_for(f"http://127.0.0.1:{port}/readyz", process)
    return process, f"http://127.0.0.1:{port}/v1/chat/completions"


def serve_litellm(processes, upstream):
    path = processes.folder / "litellm.yaml"
    path.write_text(
        "model_list:\n  - model_name: auto\n    litellm_params:\n      model: openai/m\n"
        f"      api_base: {upstream}\n      api_key: none\n"
        "litellm_settings:\n  telemetry: false\n"
    )
    port = free_port()
    program = Path(sys.executable).parent / "litellm"
    # Neither gateway asks for a key here.
    environment = {**os.environ, "LITELLM_LOG": "ERROR", "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true"}
    process = processes.start("litellm", [program, "--config", path, "--host", "127.0.0.1", "--port", port], env=environment)
    wait_for(f"http://127.0.0.1:{port}/health/liveliness", process)
    return process, f"http://127.0.0.1:{port}/v1/chat/completions"


def load(plan, target):
    """The measurements of a plan, as they come."""
    process = subprocess.Popen([Path(target) / "router-gateway-peer", "load"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    process.stdin.write(json.dumps(plan))
    process.stdin.close()
    for line in process.stdout:
        print(line.strip(), file=sys.stderr)
        yield json.loads(line)
    if process.wait() != 0:
        sys.exit("the load ended with an error")


def tell(found, names, rates):
    rows = []
    for rate in rates:
        of = lambda name, field: [one["at_rate"][field] for one in found if one.get("rate") == rate and one["target"] == name]  # noqa: E731
        for name in names:
            if not of(name, "due"):
                continue
            row = [f"{rate:g}/s", name]
            for field in ("p50_milliseconds", "p90_milliseconds", "p99_milliseconds"):
                values, direct = of(name, field), of("direct", field)
                if any(value is None for value in values):
                    row += ["none", ""]
                    continue
                over = [value - other for value, other in zip(values, direct)]
                row += [f"{statistics.median(values):.2f}", f"{statistics.median(over):+.2f}"]
            due, answered = sum(of(name, "due")), sum(of(name, "answered"))
            rows.append([*row, f"{100 * answered / due:.1f}%"])
    table(["rate", "through", "p50, ms", "over direct", "p90, ms", "over direct", "p99, ms", "over direct", "answered"], rows)
    if not any("throughput" in one for one in found):
        return
    rows = []
    carried = {name: [one["throughput"]["per_second"] for one in found if one["target"] == name and "throughput" in one] for name in names}
    for name in names:
        ratios = [ours / value for ours, value in zip(carried[names[1]], carried[name])]
        failed = sum(one["throughput"]["failed"] for one in found if one["target"] == name and "throughput" in one)
        rows.append([name, f"{statistics.median(carried[name]):.0f}", f"{statistics.median(ratios):.1f}", failed])
    table(["through", "requests/s", f"`{names[1]}` / this", "failed"], rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--router", action="append", required=True, help="ARTIFACT or NAME=ARTIFACT")
    parser.add_argument("--milliseconds", type=float, default=20, help="latency of the upstream")
    parser.add_argument("--rates", type=float, nargs="*", default=[100, 500, 1000])
    parser.add_argument("--slow-rate", type=float, default=20, help="the rate at which LiteLLM is asked, which carries little more")
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=256)
    parser.add_argument("--fresh", action="store_true", help="every prompt is new")
    parser.add_argument("--memory", type=int, help="requests through the first router, and its memory on the way")
    parser.add_argument("--no-litellm", action="store_true")
    parser.add_argument("--target", default=TARGET)
    arguments = parser.parse_args()
    target = arguments.target
    with tempfile.TemporaryDirectory() as folder, Processes(folder) as processes:
        port = free_port()
        latency = 0 if arguments.memory else arguments.milliseconds
        processes.start("upstream", [Path(target) / "router-gateway-peer", "upstream", f"127.0.0.1:{port}", int(latency)])
        time.sleep(0.5)
        upstream = f"http://127.0.0.1:{port}/v1"
        targets = [{"name": "direct", "url": f"{upstream}/chat/completions", "model": "m"}]
        gateways = []
        for router in arguments.router:
            name, _, artifact = router.rpartition("=")
            process, url = serve(processes, name or "router serve", artifact, upstream, target)
            gateways.append(process)
            targets.append({"name": name or "router serve", "url": url, "model": "auto"})
        if arguments.memory:
            remember(arguments, targets[1], gateways[0])
            return
        if not arguments.no_litellm:
            _, url = serve_litellm(processes, upstream)
            targets.append({"name": "LiteLLM", "url": url, "model": "auto"})
        print(f"{processor()}, {os.cpu_count()} cores, upstream {latency:g} ms, {arguments.rounds} rounds, prompts {'all new' if arguments.fresh else 'sixteen that return'}\n")
        plan = {
            "targets": targets, "rates": arguments.rates, "seconds": arguments.seconds, "rounds": arguments.rounds,
            "connections": arguments.connections, "fresh": arguments.fresh,
        }
        names = [target["name"] for target in targets]
        rates = list(arguments.rates)
        if arguments.no_litellm:
            found = list(load(plan, target))
        else:
            # Beyond what it carries its requests would wait for one another, and those of the next measurement for them.
            found = list(load({**plan, "rates": [arguments.slow_rate]}, target))
            found += load({**plan, "targets": targets[:-1], "connections": 0}, target)
            rates.insert(0, arguments.slow_rate)
        tell(found, names, rates)
        for process, target in zip(gateways, targets[1:]):
            print(f"memory of {target['name']} at the end: {resident(process.pid):.0f} MiB")


def remember(arguments, target, gateway):
    """Memory after every tenth of the requests."""
    part = arguments.memory // 10
    rows = [[0, f"{resident(gateway.pid):.1f}", ""]]
    for at in range(10):
        plan = {"targets": [target], "rounds": 1, "connections": arguments.connections, "requests": part, "fresh": True}
        one = list(load(plan, arguments.target))[0]["throughput"]
        assert one["failed"] == 0, one
        rows.append([(at + 1) * part, f"{resident(gateway.pid):.1f}", f"{one['per_second']:.0f}"])
    table(["requests", "memory, MiB", "requests/s"], rows)


if __name__ == "__main__":
    main()
