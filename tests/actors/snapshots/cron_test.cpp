#include <doctest/doctest.h>

#include <string>

#include "actors/snapshots/cron.hpp"
#include "actors/snapshots/manifest.hpp"

using namespace troupe;
using namespace troupe::snapshots;

namespace {
std::string after(const char* schedule_text, const char* from) {
  const auto read = schedule::parse(schedule_text);
  if (!read.ok()) return read.why().note;
  return to_rfc3339(read->next(*parse_rfc3339(from)));
}
}  // namespace

TEST_CASE("a schedule names the next time it fits, never the present one") {
  CHECK(after("0 */12 * * *", "2026-11-22T18:20:11Z") == "2026-11-23T00:00:00Z");
  CHECK(after("0 */12 * * *", "2026-11-22T12:00:00Z") == "2026-11-23T00:00:00Z");
  CHECK(after("0 */12 * * *", "2026-11-22T11:59:59Z") == "2026-11-22T12:00:00Z");
  CHECK(after("*/15 9-17/4 * * MON-FRI", "2026-11-20T17:46:00Z") == "2026-11-23T09:00:00Z");
  CHECK(after("30 4 1,15 * *", "2026-11-22T00:00:00Z") == "2026-12-01T04:30:00Z");
  CHECK(after("0 0 29 2 *", "2026-11-22T00:00:00Z") == "2028-02-29T00:00:00Z");
  CHECK(after("0 0 * * 7", "2026-11-22T00:00:00Z") == "2026-11-29T00:00:00Z");
  CHECK(after("5 0 * jan *", "2026-11-22T00:00:00Z") == "2027-01-01T00:05:00Z");
  CHECK(after("50/5 * * * *", "2026-11-22T00:56:00Z") == "2026-11-22T01:50:00Z");
}

TEST_CASE("when both kinds of days are restricted, either is enough, as in cron") {
  CHECK(after("0 0 13 * FRI", "2026-11-22T00:00:00Z") == "2026-11-27T00:00:00Z");
  CHECK(after("0 0 13 * FRI", "2026-12-12T00:00:00Z") == "2026-12-13T00:00:00Z");
}

TEST_CASE("the short forms of schedules are understood") {
  CHECK(after("@hourly", "2026-11-22T18:20:11Z") == "2026-11-22T19:00:00Z");
  CHECK(after("@daily", "2026-11-22T18:20:11Z") == "2026-11-23T00:00:00Z");
  CHECK(after("@weekly", "2026-11-22T18:20:11Z") == "2026-11-29T00:00:00Z");
  CHECK(after("@every 1h30m", "2026-11-22T18:20:11Z") == "2026-11-22T19:50:11Z");
}

TEST_CASE("what is no schedule is refused, and so is one that no day fits") {
  for (const char* bad : {"", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8", "a * * * *", "1- * * * *", "5-1 * * * *",
                          "*/0 * * * *", "*/x * * * *", "1,,2 * * * *", "-1 * * * *", "* * * foo *", "@every", "@every ", "@every 0s", "@every 5", "@every 1d", "@sometimes",
                          "0 0 31 2 *", "99999999999999999999 * * * *"})
    CHECK_MESSAGE(!schedule::parse(bad).ok(), bad);
}

TEST_CASE("a manifest is read as it was written, and anything else is refused") {
  manifest one{"on-demand-a-5", "a", "etcd", "v1", "ca", 12, 4096, std::string(64, 'a'), "salt:data", wall_time(std::chrono::seconds(5))};
  const auto text = manifest_text(one);
  const auto back = parse_manifest(text);
  REQUIRE(back.ok());
  CHECK(back->name == one.name);
  CHECK(back->engine == "etcd");
  CHECK(back->head == 12);
  CHECK(back->bytes == 4096);
  CHECK(back->bootstrap == one.bootstrap);
  CHECK(back->taken == one.taken);
  for (const auto& [from, to] : {std::pair{"\"format\":1", "\"format\":2"}, {"\"etcd\"", "\"mysql\""}, {"\"head\":12", "\"head\":-1"}, {"\"head\":12", "\"head\":\"12\""},
                                 {"\"bytes\":4096", "\"bytes\":-1"}, {"\"cluster\":\"ca\"", "\"cluster\":\"\""}, {"on-demand-a-5", "../a-5"}, {"aaaa", "aa"}, {"1970", "x"}}) {
    auto other = text;
    other.replace(other.find(from), std::string(from).size(), to);
    CHECK_MESSAGE(!parse_manifest(other).ok(), to);
  }
  for (const char* bad : {"", "[]", "{}", "{\"format\":1", "null"}) CHECK(!parse_manifest(bad).ok());
}

TEST_CASE("names of snapshots carry their node and second, and cannot leave their folder") {
  const auto name = snapshot_name("etcd-snapshot", "node-1", wall_time(std::chrono::seconds(1700000000)));
  CHECK(name == "etcd-snapshot-node-1-1700000000");
  CHECK(seconds_of(name, "etcd-snapshot", "node-1") == 1700000000);
  CHECK(seconds_of(name, "etcd-snapshot", "node") == -1);
  CHECK(seconds_of(name, "etcd", "node-1") == -1);
  CHECK(seconds_of("etcd-snapshot-node-1-", "etcd-snapshot", "node-1") == -1);
  CHECK(is_good_name(name));
  for (const char* bad : {"", ".", "..", ".hidden", "a/b", "a\\b", "a b", "a.json", "a\n"}) CHECK_MESSAGE(!is_good_name(bad), bad);
  CHECK(!is_good_name(std::string(201, 'a')));
}
