#include "actors/kubelet/logs/rotation.hpp"

#include "tests/harness/little_node.hpp"

using namespace troupe;
using testing::little_node;

namespace {
const wall_time noon = *parse_rfc3339("2026-03-01T12:00:00Z");
}

TEST_CASE("a log that has outgrown its limit gets another name, and so many former ones are kept") {
  agenda plan;
  const auto net = net::sim::make_network(plan, rng(1), {});
  auto& disk = net->add("n1", {"10.0.0.1"}).disk();
  const kubelet::log_limits small{10, 3};
  REQUIRE(disk.write("/l/0.log", "short", 0600).ok());
  CHECK(kubelet::rotate_log(disk, "/l/0.log", small, noon).value_or("failed") == "");
  for (int i = 0; i < 5; ++i) {
    REQUIRE(disk.write("/l/0.log", "text number " + std::to_string(i), 0600).ok());
    REQUIRE(kubelet::rotate_log(disk, "/l/0.log", small, noon + std::chrono::seconds(i)).value_or("failed") == "/l/0.log.20260301-12000" + std::to_string(i));
  }
  const auto kept = kubelet::former_logs(*disk.list("/l"), "0.log");
  CHECK(kept == std::vector<std::string>{"0.log.20260301-120003", "0.log.20260301-120004"});
  kubelet::remove_logs(disk, "/l/0.log");
  CHECK(disk.list("/l").value_or({}).empty());
}

TEST_CASE("a running container's log is rotated, and its runtime begins a new file") {
  little_node n([](kubelet::roll_config& with) { with.logs = {100, 3}; });
  std::vector<std::string> reopened;
  bool refuses = true;
  n.machine.fault = [&](std::string_view verb, const std::string& what) -> std::optional<error> {
    if (verb != "reopen_log") return std::nullopt;
    reopened.push_back(what);
    return refuses ? std::optional(fail(errc::internal, "no")) : std::nullopt;
  };
  n.put("{}");
  REQUIRE(n.until([&] { return n.runs(); }));
  const std::string path = "/logs/ns_p_u1/main/0.log";
  REQUIRE(n.disk->write(path, std::string(200, 'x'), 0600).ok());
  REQUIRE(n.until([&] { return reopened.size() == 1; }));
  REQUIRE(n.until([&] { return n.disk->exists(path); }));   // refused: the name is taken back
  refuses = false;
  REQUIRE(n.until([&] { return reopened.size() == 2; }));
  n.on.run.run_for(1s);
  CHECK(kubelet::former_logs(*n.disk->list("/logs/ns_p_u1/main"), "0.log").size() == 1);
}

TEST_CASE("logs of instances that nobody asks about any more go with them") {
  little_node n;
  n.machine.script = [](const net::cri::container_config&) { return net::sim::container_life{std::chrono::seconds(1), 1}; };
  n.put("{}");
  const std::string folder = "/logs/ns_p_u1/main/";
  REQUIRE(n.until([&] { return n.main().is_object() && n.main()["restartCount"] >= 1; }));
  REQUIRE(n.disk->write(folder + "0.log", "x", 0600).ok());
  REQUIRE(n.disk->write(folder + "0.log.20260301-120000", "x", 0600).ok());
  REQUIRE(n.until([&] { return n.main()["restartCount"] >= 3; }, std::chrono::minutes(10)));
  REQUIRE(n.until([&] { return !n.disk->exists(folder + "0.log") && !n.disk->exists(folder + "0.log.20260301-120000"); }));
}
