"""The house rules as a test: layers, rooms, sizes, banned calls (docs/ARCHITECTURE.md, sections 1, 8 and 10).

`tidy.py TREE` prints each fault as `file:line: what` and, last, "N passed, N failed": one case per rule.
A rule is a function from the tree to its faults. Exceptions stand in the tables below, each with its reason;
one that nothing needs any more is a fault as well.
"""
import os
import re
import subprocess
import sys

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')

# --- layers ------------------------------------------------------------------------------------------------------

FOREIGN = {   # prefix of an include -> the library it belongs to
    "caf/": "caf", "asio": "asio", "openssl/": "openssl", "wslay/": "wslay", "nghttp2/": "nghttp2",
    "sqlite3": "sqlite", "rocksdb/": "rocksdb", "nlohmann/": "json", "yaml-cpp/": "yaml", "CLI/": "cli11",
    "doctest/": "doctest", "zlib.h": "zlib", "fmt/": "fmt", "grpc": "grpc", "google/": "protobuf",
    "nftables/": "nftables", "libmnl/": "mnl",
}
LAYERS = {   # layer -> (first-party prefixes, libraries) that it may include
    "subprojects/basis": (["basis/"], {"json", "yaml", "fmt"}),
    "net": (["basis/", "net/"], {"asio", "openssl", "nghttp2", "wslay", "zlib", "grpc", "protobuf", "nftables", "mnl"}),
    "storage": (["basis/", "storage/"], {"sqlite", "rocksdb"}),
    "actors": (["basis/", "net/", "storage/", "actors/"], {"caf"}),
    "bin": (["basis/", "net/", "storage/", "actors/", "bin/"], {"caf", "asio", "openssl", "cli11"}),
    "tests": (["basis/", "net/", "storage/", "actors/", "bin/", "tests/"], {"caf", "asio", "openssl", "wslay", "sqlite", "rocksdb", "doctest", "zlib"}),
}
# What makes a port real or simulated; the actors know ports only.
BEHIND_PORTS = re.compile(r"^(net/asio/|net/sim/|net/(host|filter|link)/real\.hpp|net/netlink\.hpp|net/tls/openssl\.hpp|storage/(sqlite|rocksdb|etcd|memory|sim)/)")
LAYER_EXCEPTIONS = {
    # (file or folder/, include prefix): reason
    ("actors/model/", "zlib.h"): "the descriptions in the schema table are kept packed; they are unpacked once",
    ("storage/etcd/", "net/rpc/"): "etcd is reached over gRPC, whose plumbing is the net's",
    ("tests/storage/", "grpc"): "a foreign writer beside the etcd engine",
    ("tests/actors/kubelet/probing/", "grpc"): "the real server beside health questions by hand",
}
ROOM_EXCEPTIONS = {
    ("actors/controllers/", "actors/client/clients.hpp"): "a controller makes reflectors of its own, one for each kind it follows",
    ("actors/endpoints/refresher.cpp", "actors/client/clients.hpp"): "it makes the reflector that it follows",
    ("actors/egress/egress.cpp", "actors/client/clients.hpp"): "it makes the reflectors that its table is fed by",
    ("actors/egress/egress.cpp", "actors/apiserver/respond.hpp"): "plain functions that write a Status answer; they know no actor",
    ("actors/dns/dns.cpp", "actors/client/clients.hpp"): "it makes the reflectors that its names come from",
    ("actors/flannel/", "actors/client/clients.hpp"): "it makes the reflector that it follows",
    ("actors/service_proxy/", "actors/client/clients.hpp"): "it makes the reflectors that its rules are fed by",
    ("actors/revocation/keeper.cpp", "actors/client/clients.hpp"): "it makes the reflector that it follows",
    ("actors/controllers/token_cleaner.cpp", "actors/registration/bootstrap_token.hpp"): "how a token's Secret is read, pure",
    ("actors/apiserver/auth/guard.cpp", "actors/registration/bootstrap_token.hpp"): "how a token's Secret is judged, pure",
    ("actors/apiserver/auth/guard.cpp", "actors/registration/token.hpp"): "the shape of a token, pure",
    ("actors/supervisor/gate.cpp", "actors/registration/bootstrap_token.hpp"): "how a token's Secret is judged, pure",
    ("actors/supervisor/gate.cpp", "actors/registration/token.hpp"): "the shape of a token, pure",
    ("actors/scheduler/scheduler.cpp", "actors/client/clients.hpp"): "it makes the reflectors that its account is fed by",
    ("actors/tunnel/pod_rules.cpp", "actors/client/clients.hpp"): "it makes the reflector that it follows",
    ("actors/front/front.cpp", "actors/apiserver/respond.hpp"): "plain functions that write a Status answer; they know no actor",
    ("actors/kubelet/serving/port.cpp", "actors/apiserver/respond.hpp"): "plain functions that write a Status answer; they know no actor",
    ("actors/kubelet/serving/log_stream.cpp", "actors/apiserver/respond.hpp"): "plain functions that write a Status answer; they know no actor",
    ("actors/kubelet/serving/pod_streams.cpp", "actors/apiserver/respond.hpp"): "plain functions that write a Status answer; they know no actor",
    ("actors/kubelet/roll.cpp", "actors/client/clients.hpp"): "it makes the reflector that it follows",
    ("actors/election/candidate.cpp", "actors/controllers/calls.hpp"): "one function that shortens an API call; it knows no actor",
    ("actors/membership/joiner.cpp", "actors/client/one_shot.hpp"): "one HTTPS request as a function; it knows no actor",
    ("actors/membership/joiner.cpp", "actors/registration/token.hpp"): "the join token, pure",
    ("actors/supervisor/gate.cpp", "actors/membership/joining.hpp"): "how members are written as JSON, pure",
    ("actors/supervisor/gate.cpp", "actors/apiserver/respond.hpp"): "plain functions that write a Status answer; they know no actor",
}

# --- sizes -------------------------------------------------------------------------------------------------------

LINES_MAX = {"messages.hpp": 80, ".hpp": 200, ".cpp": 500}
FUNCTION_LINES_MAX = 60
FOLDER_FILES_MAX = 15
SIZE_EXCEPTIONS = {
    ("tests/harness/stage.hpp", "lines"): "one header tells how an actor is tested; to be split when it grows",
    ("bin/", "files"): "one file per family of commands, and what they share",
    ("actors/apiserver/", "files"): "the gate and its helpers stand beside the rules; reads and sinks ask for a folder of their own",
}

# --- banned calls ------------------------------------------------------------------------------------------------

BANNED = [   # (what, pattern, where it is allowed: path prefix -> reason)
    ("reads a clock", re.compile(r"(steady|system|high_resolution)_clock::now|\bclock_gettime\b|\bgettimeofday\b|\btime\((nullptr|NULL|0)\)"), {
        "subprojects/basis/src/clock.cpp": "the one calendar",
        "net/asio/": "the shard's clock",
        "net/host/files.cpp": "measures how long the disk takes to sync",
        "bin/run.cpp": "the terminal's durations",
        "actors/runtime/cells.cpp": "busy time of actors, which is shown and decides nothing",
        "tests/": "limits of waits and measurements",
    }),
    ("throws a die", re.compile(r"\bstd::rand\b|\bsrand\b|random_device|\bmt19937|\bgetrandom\b|\bRAND_bytes\b"), {
        "subprojects/basis/src/chance.cpp": "the one source",
        "net/tls/": "key material",
    }),
    ("sleeps", re.compile(r"\bsleep_for\b|\bsleep_until\b|\busleep\b|\bnanosleep\b|[^_\w.]sleep\("), {
        "bin/passes.cpp": "a command that waits for the clock, and runs nothing else",
    }),
    ("locks", re.compile(r"std::(recursive_|shared_|timed_)?mutex|std::condition_variable|std::(lock_guard|unique_lock|scoped_lock)"), {
        "subprojects/basis/src/log.cpp": "the sink is shared",
        "net/asio/": "the shard's queue",
        "net/rpc/loop": "what other threads hand to the loop",
        "net/host/process.cpp": "one thread forks all children and hears them; whoever starts one waits for it",
        "storage/": "the wake-up of an engine's writer",
        "actors/runtime/cells": "the board of cells is read by the admin thread",
        "actors/runtime/stage.cpp": "main's thread waits for the actors' end",
        "bin/": "main's thread beside the actors'",
        "tests/": "waiting for callbacks",
    }),
    ("detaches", re.compile(r"caf::detached|\.detach\(\)"), {}),
    ("says new", re.compile(r"(?<![\w/#])new\s+[A-Za-z_:]+\s*[({\[]"), {
        "actors/runtime/deterministic.cpp": "the actor library's modules are handed over as plain pointers",
        "storage/sqlite/table.cpp": "a private constructor, owned at once",
        "storage/rocksdb/table.cpp": "a private constructor, owned at once",
        "tests/": "private constructors, owned at once",
    }),
    ("throws", re.compile(r"\bthrow\b(?!\()"), {
        "subprojects/basis/src/yaml.cpp": "the library's own exception, caught where it is called",
        "tests/": "a test that cannot go on ends so",
    }),
]
TOP = {".ci", ".clang-format", ".gitignore", "LICENSE", "README.md", "actors", "bin", "dev", "docs", "meson.build",
       "meson_options.txt", "net", "storage", "subprojects", "tests"}
BANNED_IN = ("subprojects/basis/", "net/", "storage/", "actors/", "bin/", "tests/")


CHECK_UNUSED = True   # the self-test's trees need no exceptions


def everything(tree, kinds=("--cached", "--others", "--exclude-standard")):
    """Every file that is kept or would be, by path from the top."""
    try:
        return subprocess.run(["git", "-C", tree, "ls-files", *kinds], capture_output=True, text=True, check=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        return [os.path.relpath(os.path.join(at, f), tree) for at, _, fs in os.walk(tree) for f in fs]


def tracked(tree):
    """First-party C++ by path from the top."""
    return sorted(f for f in everything(tree) if f.endswith((".hpp", ".cpp")) and not f.startswith(("build", "subprojects/caf"))
                  and os.path.exists(os.path.join(tree, f)))


def read(tree, path):
    with open(os.path.join(tree, path), encoding="utf-8") as f:
        return f.read().splitlines()


def code_only(line, inside):
    """The line without comments and texts; `inside` says whether a block comment is open."""
    line = re.sub(r'R"\((.*?)\)"', '""', line)
    line = re.sub(r'"(\\.|[^"\\])*"', '""', line)
    if inside:
        if "*/" not in line:
            return "", True
        line = line.split("*/", 1)[1]
    line = re.sub(r"/\*.*?\*/", "", line)
    line = line.split("//", 1)[0]
    if "/*" in line:
        return line.split("/*", 1)[0], True
    return line, False


def layer_of(path):
    return "subprojects/basis" if path.startswith("subprojects/basis/") else path.split("/", 1)[0]


def excepted(table, path, what, used):
    for (where, prefix), _ in table.items():
        if (path == where or (where.endswith("/") and path.startswith(where))) and what.startswith(prefix):
            used.add((where, prefix))
            return True
    return False


def unused(table, used):
    if not CHECK_UNUSED:
        return []
    return [f"tests/tidy/tidy.py:1: the exception {key} is not needed any more" for key in table if key not in used]


def rule_layers(tree):
    """Every layer includes only what section 1 allows."""
    faults, used = [], set()
    for path in tracked(tree):
        layer = layer_of(path)
        if layer not in LAYERS:
            continue
        firsts, libraries = LAYERS[layer]
        for number, line in enumerate(read(tree, path), 1):
            found = INCLUDE.match(line)
            if not found:
                continue
            what = found.group(2)
            library = next((lib for prefix, lib in FOREIGN.items() if what.startswith(prefix)), None)
            bad = None
            if found.group(1) == '"':
                if not any(what.startswith(p) for p in firsts) and os.path.sep in what:
                    bad = f"{layer} must not include {what}"
                elif layer == "actors" and BEHIND_PORTS.match(what):
                    bad = f"{what} is behind a port; actors know the port only"
            elif library and library not in libraries:
                bad = f"{layer} must not include {library} ({what})"
            if bad and not excepted(LAYER_EXCEPTIONS, path, what, used):
                faults.append(f"{path}:{number}: {bad}")
    return faults + unused(LAYER_EXCEPTIONS, used)


def rule_rooms(tree):
    """Inside actors/ a room sees of another only its messages.hpp; runtime and model are open, node sees all."""
    faults, used = [], set()
    for path in tracked(tree):
        parts = path.split("/")
        if parts[0] != "actors" or len(parts) < 3 or parts[1] in ("node", "chaos"):
            continue
        for number, line in enumerate(read(tree, path), 1):
            found = INCLUDE.match(line)
            if not found or not found.group(2).startswith("actors/"):
                continue
            what = found.group(2)
            room = what.split("/")[1]
            if room in (parts[1], "runtime", "model") or what == f"actors/{room}/messages.hpp":
                continue
            if not excepted(ROOM_EXCEPTIONS, path, what, used):
                faults.append(f"{path}:{number}: room {parts[1]} reaches into {what}; only its messages.hpp is for others")
    return faults + unused(ROOM_EXCEPTIONS, used)


def function_lengths(lines):
    """(first line, length) of what looks like a function: opened and closed at the same indent of at most 2."""
    open_at = {}
    for number, line in enumerate(lines, 1):
        indent = len(line) - len(line.lstrip())
        if indent > 2:
            continue
        text = line.strip()
        if text.endswith("{") and not text.endswith("({") and "(" in text and not re.match(r"(namespace|class|struct|enum|union|extern|TEST_CASE|RT_)", text):
            open_at[indent] = number
        elif text.startswith("}") and indent in open_at:
            yield open_at[indent], number - open_at.pop(indent) + 1
        elif re.match(r"(namespace|class|struct|enum)\b", text):
            open_at.pop(indent, None)


def rule_sizes(tree):
    """Files, functions and folders stay small enough to be read; clang-format looks after the columns."""
    faults, used, folders = [], set(), {}
    for path in tracked(tree):
        lines = read(tree, path)
        name = os.path.basename(path)
        folders.setdefault(os.path.dirname(path), []).append(name)
        most = LINES_MAX.get(name) or LINES_MAX[os.path.splitext(name)[1]]
        if len(lines) > most and not excepted(SIZE_EXCEPTIONS, path, "lines", used):
            faults.append(f"{path}:{len(lines)}: {len(lines)} lines, at most {most}")
        for first, length in function_lengths(lines):
            if length > FUNCTION_LINES_MAX and not path.startswith("tests/") and not excepted(SIZE_EXCEPTIONS, path, "function", used):
                faults.append(f"{path}:{first}: a function of {length} lines, at most {FUNCTION_LINES_MAX}")
    for folder, names in folders.items():
        if len(names) > FOLDER_FILES_MAX and not excepted(SIZE_EXCEPTIONS, folder + "/", "files", used):
            faults.append(f"{folder}:1: {len(names)} files, at most {FOLDER_FILES_MAX}")
    return faults + unused(SIZE_EXCEPTIONS, used)


def rule_banned(tree):
    """Clocks, dice, sleeps, locks and the like stay where section 8 puts them."""
    faults = []
    for path in tracked(tree):
        if not path.startswith(BANNED_IN):
            continue
        inside = False
        for number, line in enumerate(read(tree, path), 1):
            code, inside = code_only(line, inside)
            if INCLUDE.match(line):
                continue
            for what, pattern, allowed in BANNED:
                if pattern.search(code) and not any(path.startswith(p) for p in allowed):
                    faults.append(f"{path}:{number}: {what}: {line.strip()[:80]}")
    return faults


def rule_dress(tree):
    """Headers say #pragma once, nobody leaves a bare TODO or a tab."""
    faults = []
    for path in tracked(tree):
        lines = read(tree, path)
        if path.endswith(".hpp") and not path.endswith("/pch.hpp") and "#pragma once" not in lines[:40]:
            faults.append(f"{path}:1: no #pragma once")
        for number, line in enumerate(lines, 1):
            if re.search(r"\b(TODO|FIXME|XXX)\b(?!\([a-z_]+\):)", line):
                faults.append(f"{path}:{number}: a TODO names its room: TODO(room): reason")
            if "\t" in line:
                faults.append(f"{path}:{number}: a tab")
    return faults


def rule_top(tree):
    """The top holds what section 2 lists: what a program leaves there by mistake is not kept. What is not kept is a user's own."""
    faults, names = [], set()
    for path in everything(tree, ("--cached",)):
        name = path.split("/", 1)[0]
        if name not in TOP and name not in names and os.path.exists(os.path.join(tree, path)):
            names.add(name)
            faults.append(f"{path}:1: {name} is not of the house: remove it, or give it its line in ARCHITECTURE.md section 2 and here")
    return faults


RULES = [rule_top, rule_layers, rule_rooms, rule_sizes, rule_banned, rule_dress]


def main():
    tree = sys.argv[1] if len(sys.argv) > 1 else "."
    passed = failed = 0
    for rule in RULES:
        faults = rule(tree)
        for fault in faults:
            print(fault)
        passed += not faults
        failed += bool(faults)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
