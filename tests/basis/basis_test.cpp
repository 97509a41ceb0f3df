#include <doctest/doctest.h>

#include <vector>

#include "basis/agenda.hpp"
#include "basis/bytes.hpp"
#include "basis/clock.hpp"
#include "basis/ids.hpp"
#include "basis/log.hpp"
#include "basis/rng.hpp"
#include "basis/secret.hpp"
#include "basis/yaml.hpp"

using namespace troupe;

TEST_CASE("base64 goes there and back, and refuses what is not canonical") {
  for (std::string raw : {"", "a", "ab", "abc", "\x00\xff\x10"}) {
    std::string out;
    CHECK(from_base64(to_base64(raw), out));
    CHECK(out == raw);
  }
  std::string out;
  for (std::string_view bad : {"a", "====", "YQ=", "YR==", "YQ==\n", "Y=Q="}) CHECK_FALSE(from_base64(bad, out));
}

TEST_CASE("times are written as Kubernetes does and read with any offset") {
  const auto at = parse_rfc3339("2026-11-22T06:52:41Z");
  REQUIRE(at.ok());
  CHECK(to_rfc3339(*at) == "2026-11-22T06:52:41Z");
  CHECK(*parse_rfc3339("2026-11-22T07:52:41+01:00") == *at);
  CHECK(*parse_rfc3339("2026-11-22T06:52:41.000Z") == *at);
  CHECK(to_rfc3339_micro(*at + 1500us) == "2026-11-22T06:52:41.001500Z");
  CHECK(to_rfc3339(wall_time{} - 1s) == "1969-12-31T23:59:59Z");
  for (auto bad : {"", "2026-11-22", "2026-13-22T06:52:41Z", "2026-11-22T06:52:41", "2026-11-22T06:52:41.Z"})
    CHECK_FALSE(parse_rfc3339(bad).ok());
}

TEST_CASE("a node name is a DNS name, and the refusal says what is allowed") {
  CHECK(parse_node_name("Node-1.example")->text == "node-1.example");
  for (auto bad : {"", "-a", "a-", "a..b", "a_b", "nöde"}) {
    const auto name = parse_node_name(bad);
    REQUIRE_FALSE(name.ok());
    CHECK(name.why().note.find("DNS name") != std::string::npos);
  }
  CHECK_FALSE(parse_node_name(std::string(254, 'a')).ok());
}

TEST_CASE("server addresses are https only, with a port or 443") {
  CHECK(to_string(*parse_server_url("https://10.0.0.1:6443/")) == "10.0.0.1:6443");
  CHECK(to_string(*parse_server_url("https://[fd00::1]:6443")) == "[fd00::1]:6443");
  CHECK(parse_server_url("https://cluster.example")->port == 443);
  for (auto bad : {"http://a:1", "https://", "https://a:0", "https://a:70000", "https://a/b", "https://a b", "a:1"})
    CHECK_FALSE(parse_server_url(bad).ok());
}

TEST_CASE("a generator forks by name and repeats from its seed") {
  rng a(7), b(7);
  b.next();
  CHECK(a.fork("x").next() == b.fork("x").next());
  CHECK(a.fork("x").next() != a.fork("y").next());
}

TEST_CASE("an agenda runs entries in order of time, then of entry") {
  agenda plan;
  std::vector<int> seen;
  plan.in(2s, [&] { seen.push_back(3); });
  plan.in(1s, [&] { seen.push_back(1); });
  plan.in(1s, [&] { seen.push_back(2); });
  const auto dropped = plan.in(1s, [&] { seen.push_back(9); });
  plan.cancel(dropped);
  CHECK_FALSE(plan.run_one());
  while (const auto due = plan.next_due()) {
    plan.advance_to(*due);
    while (plan.run_one()) {}
  }
  CHECK(seen == std::vector<int>{1, 2, 3});
}

TEST_CASE("JSON that is too deep, truncated or not UTF-8 is refused with its place") {
  CHECK(parse_json("{\"a\":[1,2,{}]}").ok());
  CHECK_FALSE(parse_json(std::string(100000, '[')).ok());
  CHECK(parse_json("{\"a\":}").why().note == "not JSON at byte 6");
  CHECK_FALSE(parse_json("\"\xff\"").ok());
  CHECK_FALSE(parse_json("{} {}").ok());
}

TEST_CASE("YAML types its plain scalars, names a tab, and reads back what it wrote") {
  const auto v = parse_yaml("a: 1\nb: [x, \"2\", true, null]\nc:\n  d: 1.5\n  e: text\n");
  REQUIRE(v.ok());
  CHECK(to_text(*v) == R"({"a":1,"b":["x","2",true,null],"c":{"d":1.5,"e":"text"}})");
  CHECK(parse_yaml("a:\n\tb: 1\n").why().note.find("line 2, column 1: a tab") == 0);
  CHECK_FALSE(parse_yaml("a: 1\na: 2\n").ok());
  CHECK_FALSE(parse_yaml("a: [").ok());
  const json tricky{{"t", "true"}, {"n", "12"}, {"e", ""}, {"l", "a\nb\n"}, {"o", json::object()}, {"u", "nan: x"}};
  CHECK(*parse_yaml(to_yaml(tricky)) == tricky);
}

TEST_CASE("a log line quotes what would confuse its reader") {
  const log::record line{log::level::info, "room.opened", {{"at", "a b"}, {"n", 3}, {"q", "say \"x\"\n"}}};
  CHECK(log::to_logfmt(line, "T") == R"(time=T level=info event=room.opened at="a b" n=3 q="say \"x\"\n")");
}

TEST_CASE("secrets compare by content and are empty once moved from") {
  secret_text a("s3cret"), b("s3cret"), c("s3creT");
  CHECK(a == b);
  CHECK_FALSE(a == c);
  const secret_text d = std::move(a);
  CHECK(a.empty());
  CHECK(d.reveal() == "s3cret");
}
