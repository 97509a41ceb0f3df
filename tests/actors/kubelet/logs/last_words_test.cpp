#include "actors/kubelet/logs/last_words.hpp"

#include "tests/harness/little_node.hpp"

using namespace troupe;
using testing::little_node;

namespace {
std::string record(const std::string& text) { return "2026-03-01T12:00:00.000000001Z stderr F " + text + "\n"; }
}  // namespace

TEST_CASE("the last words of a log are its last eighty lines, and no more of them than a status has room for") {
  agenda plan;
  const auto net = net::sim::make_network(plan, rng(1), {});
  auto& disk = net->add("n1", {"10.0.0.1"}).disk();
  CHECK(kubelet::last_words_of_log(disk, "/l/none.log").empty());
  std::string log;
  for (int i = 0; i < 200; ++i) log += record(std::to_string(i));
  REQUIRE(disk.write("/l/0.log", log, 0600).ok());
  const auto got = kubelet::last_words_of_log(disk, "/l/0.log");
  CHECK(got.starts_with("120\n121\n"));
  CHECK(got.ends_with("198\n199\n"));
  REQUIRE(disk.write("/l/1.log", record(std::string(5000, 'x') + "end"), 0600).ok());
  const auto cut = kubelet::last_words_of_log(disk, "/l/1.log");
  CHECK((cut.size() == 2048 && cut.ends_with("xend\n")));
}

TEST_CASE("a container that failed without a message tells by its log, where it is asked to") {
  struct row { const char* policy; int exit_code; bool tells; } rows[] = {
      {"FallbackToLogsOnError", 3, true}, {"FallbackToLogsOnError", 0, false}, {"File", 3, false}};
  for (const auto& row : rows) {
    little_node n;
    net::sim::container_life life;
    life.runs = std::chrono::seconds(2), life.exit_code = row.exit_code;
    n.machine.script = [&](const net::cri::container_config&) { return life; };
    n.put(std::string(R"({"terminationMessagePolicy":")") + row.policy + "\"}", R"({"restartPolicy":"Never"})");
    REQUIRE(n.until([&] { return n.disk->write("/logs/ns_p_u1/main/0.log", record("no such table"), 0600).ok() && dig(n.main(), "state", "terminated").is_object(); }));
    CHECK_MESSAGE((text_or(dig(n.main(), "state", "terminated", "message")) == "no such table\n") == row.tells, row.policy << " " << row.exit_code);
  }
}
