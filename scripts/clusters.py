"""What scripts/clusters looks at: a merged result beside that of one process, starts beside their bounds, pods' commands."""

import glob
import json
import re
import sys


def load(path):
    with open(path) as file:
        return json.load(file)


def fail(text):
    sys.exit(f"scripts/clusters: {text}")


def same(whole, alone):
    """The ledger of the whole is that of one process: the same requests, all answered."""
    ledger, reference = load(whole)["ledger"], load(alone)["ledger"]
    for name in ("requests_planned", "requests_sent", "requests_answered", "replies_expected", "replies_received"):
        if ledger[name] != reference[name]:
            fail(f"{whole}: {name} is {ledger[name]}, and of one process {reference[name]}")
    for name in ("requests_lost", "requests_unsent", "replies_duplicate", "replies_unexpected"):
        if ledger[name]:
            fail(f"{whole}: {name} is {ledger[name]}")
    print(f"{ledger['requests_sent']} requests of {len(load(whole)['shards'])} shards, the same as of one process, all answered")


def answered(run):
    """Every request of a run was sent and answered."""
    result = load(run)
    ledger, clients = result["ledger"], result["scenario"]["clients"]["count"]
    if not ledger["requests_sent"] or ledger["requests_answered"] != ledger["requests_planned"]:
        fail(f"{run}: {ledger}")
    print(f"few ports: {clients} clients, {ledger['requests_answered']} requests, all answered")


def check(whole, name, status):
    """A check of the verdict of the whole has this status."""
    checks = {check["name"]: check for check in load(whole)["verdict"]["checks"]}
    found = checks[name]
    if found["status"] != status:
        fail(f"{whole}: check {name} is {found['status']} and not {status}: {found['sentence']}")
    print(f"{name}: {found['sentence']}")


def late(whole):
    """A stop of one shard for a second is in the figures."""
    latest = load(whole)["latency"]["slip"]["max_ns"]
    if latest < 500_000_000:
        fail(f"{whole}: a shard stood still for a second, and no request left later than {latest / 1e6} ms")
    print(f"a rank that stood still: no other was ended, and its requests left up to {latest / 1e6:.0f} ms late")


def starts(pattern):
    """Each gathering's shards began within their bounds. All hosts have one wall clock, so its true difference is 0, and what a
    shard found for it is its error."""
    errors, bounds, gatherings = [], [], sorted(glob.glob(pattern))
    for gathering in gatherings:
        of_all = [load(path)["start"] for path in sorted(glob.glob(f"{gathering}/*-of-*.json"))]
        if len(of_all) != 4 or {start["by"] for start in of_all} != {"gather"} or len({start["unix_ns"] for start in of_all}) != 1:
            fail(f"{gathering}: not one start of four shards: {of_all}")
        for start in of_all[1:]:
            error, bound = abs(start["clock_ahead_ns"]), start["bound_ns"]
            if error > bound:
                fail(f"{gathering}: a shard began {error / 1000:.1f} us off, and its bound is {bound / 1000:.1f} us")
            errors.append(error)
            bounds.append(bound)
    if not errors:
        fail(f"no gathering at {pattern}")
    print(f"{len(gatherings)} gatherings: starts off by at most {max(errors) / 1000:.1f} us, bounds from {min(bounds) / 1000:.1f} to {max(bounds) / 1000:.1f} us")


def pod(path, index):
    """The command line of a pod of the Job, one argument a line, as Kubernetes makes it."""
    import yaml

    with open(path) as file:
        job = next(each for each in yaml.safe_load_all(file) if each["kind"] == "Job")
    template = job["spec"]["template"]["spec"]
    name, subdomain = job["metadata"]["name"], template["subdomain"]
    arguments = template["containers"][0]["args"]
    host = re.match(r"tcp://([^:]+):", arguments[arguments.index("--gather") + 1]).group(1)
    if host != f"{name}-0.{subdomain}":
        fail(f"{path}: --gather names {host}, and pod 0 is {name}-0.{subdomain}")
    counts = {job["spec"]["completions"], job["spec"]["parallelism"], int(arguments[arguments.index("--shard") + 1].split("/")[1])}
    if len(counts) != 1:
        fail(f"{path}: completions, parallelism and --shard differ: {counts}")
    for argument in arguments:
        print(argument.replace("$(JOB_COMPLETION_INDEX)", index))


if __name__ == "__main__":
    {"same": same, "answered": answered, "check": check, "late": late, "starts": starts, "pod": pod}[sys.argv[1]](*sys.argv[2:])
