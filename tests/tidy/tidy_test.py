"""Each rule notices the file that breaks it, and keeps quiet about its neighbour that does not."""
import os
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tidy

HEAD = "// What it is.\n#pragma once\n"
CASES = [   # (promise, rule, path, text, is a fault)
    ("net includes no actors", tidy.rule_layers, "net/a.cpp", '#include "actors/node/node.hpp"\n', True),
    ("net includes no CAF", tidy.rule_layers, "net/a.cpp", "#include <caf/all.hpp>\n", True),
    ("net may include OpenSSL", tidy.rule_layers, "net/a.cpp", "#include <openssl/ssl.h>\n", False),
    ("storage includes no Asio", tidy.rule_layers, "storage/a.cpp", "#include <asio.hpp>\n", True),
    ("storage includes no net", tidy.rule_layers, "storage/a.cpp", '#include "net/stream.hpp"\n', True),
    ("basis includes nothing of ours", tidy.rule_layers, "subprojects/basis/src/a.cpp", '#include "net/stream.hpp"\n', True),
    ("actors include no SQLite", tidy.rule_layers, "actors/a/a.cpp", "#include <sqlite3.h>\n", True),
    ("actors do not look behind a port", tidy.rule_layers, "actors/a/a.cpp", '#include "net/asio/real.hpp"\n', True),
    ("actors include no twin", tidy.rule_layers, "actors/a/a.cpp", '#include "storage/sim/sim.hpp"\n', True),
    ("actors include ports", tidy.rule_layers, "actors/a/a.cpp", '#include "net/stream.hpp"\n', False),
    ("a room does not reach into another", tidy.rule_rooms, "actors/a/a.cpp", '#include "actors/b/inside.hpp"\n', True),
    ("a room reads another's messages", tidy.rule_rooms, "actors/a/a.cpp", '#include "actors/b/messages.hpp"\n', False),
    ("runtime is open to all", tidy.rule_rooms, "actors/a/a.cpp", '#include "actors/runtime/spawn.hpp"\n', False),
    ("node sees all rooms", tidy.rule_rooms, "actors/node/a.cpp", '#include "actors/b/inside.hpp"\n', False),
    ("a header has 200 lines at most", tidy.rule_sizes, "net/a.hpp", HEAD + "int a;\n" * 199, True),
    ("a header of 200 lines is fine", tidy.rule_sizes, "net/a.hpp", HEAD + "int a;\n" * 198, False),
    ("messages have 80 lines at most", tidy.rule_sizes, "actors/a/messages.hpp", HEAD + "int a;\n" * 79, True),
    ("a source has 500 lines at most", tidy.rule_sizes, "net/a.cpp", "int a;\n" * 501, True),
    ("a function has 60 lines at most", tidy.rule_sizes, "net/a.cpp", "int f() {\n" + "  a();\n" * 59 + "}\n", True),
    ("a function of 60 lines is fine", tidy.rule_sizes, "net/a.cpp", "int f() {\n" + "  a();\n" * 58 + "}\n", False),
    ("a method counts as a function", tidy.rule_sizes, "net/a.cpp", "class c {\n  int f() {\n" + "    a();\n" * 60 + "  }\n};\n", True),
    ("nobody reads a clock", tidy.rule_banned, "actors/a/a.cpp", "auto t = std::chrono::steady_clock::now();\n", True),
    ("time(nullptr) is a clock", tidy.rule_banned, "net/http/a.cpp", "auto t = time(nullptr);\n", True),
    ("words about clocks are no clocks", tidy.rule_banned, "actors/a/a.cpp", "// not steady_clock::now()\n", False),
    ("block comments are comments", tidy.rule_banned, "actors/a/a.cpp", "/* one\n std::mutex\n*/\n", False),
    ("texts are no calls", tidy.rule_banned, "actors/a/a.cpp", 'say("std::mutex");\n', False),
    ("nobody throws a die", tidy.rule_banned, "actors/a/a.cpp", "std::random_device d;\n", True),
    ("nobody sleeps, tests neither", tidy.rule_banned, "tests/a_test.cpp", "std::this_thread::sleep_for(1s);\n", True),
    ("actors hold no lock", tidy.rule_banned, "actors/a/a.cpp", "std::mutex m;\n", True),
    ("no actor is detached", tidy.rule_banned, "actors/a/a.cpp", "spawn<caf::detached>(f);\n", True),
    ("no naked new", tidy.rule_banned, "net/a.cpp", "auto* p = new thing(1);\n", True),
    ("nobody throws", tidy.rule_banned, "net/a.cpp", "throw 1;\n", True),
    ("a header is read once", tidy.rule_dress, "net/a.hpp", "int a;\n", True),
    ("a TODO names its room", tidy.rule_dress, "net/a.cpp", "// TODO: later\n", True),
    ("a bench leaves nothing at the top", tidy.rule_top, "--help/storage-bench-1/open1", "", True),
    ("the house's folders are the top", tidy.rule_top, "docs/a.md", "", False),
    ("a TODO with a room may stay", tidy.rule_dress, "net/a.cpp", "// TODO(net): when there is HTTP/3\n", False),
]


def folder_of_sixteen(tree):
    os.makedirs(os.path.join(tree, "net/x"))
    for i in range(16):
        open(os.path.join(tree, f"net/x/f{i}.cpp"), "w").close()


def main():
    tidy.CHECK_UNUSED = False
    passed = failed = 0
    for promise, rule, path, text, is_fault in CASES:
        with tempfile.TemporaryDirectory() as tree:
            os.makedirs(os.path.join(tree, os.path.dirname(path)))
            with open(os.path.join(tree, path), "w", encoding="utf-8") as f:
                f.write(text)
            faults = rule(tree)
        if bool(faults) == is_fault and all(f.startswith(path) for f in faults):
            passed += 1
        else:
            failed += 1
            print(f"broken: {promise}: {faults}")
    with tempfile.TemporaryDirectory() as tree:
        folder_of_sixteen(tree)
        crowded = bool(tidy.rule_sizes(tree))
    passed += crowded
    failed += not crowded
    tidy.CHECK_UNUSED = True
    noticed = tidy.unused({("a/", "b"): "reason"}, set()) != []
    passed += noticed
    failed += not noticed
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
