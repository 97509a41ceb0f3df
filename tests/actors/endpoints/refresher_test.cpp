#include "actors/endpoints/refresher.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "net/sim/network.hpp"
#include "tests/harness/stage.hpp"

using namespace troupe;
using endpoints::kept_servers;
using endpoints::servers_in;

TEST_CASE("the servers of an Endpoints object are taken in order, each once, and nonsense is left out") {
  const auto object = *parse_json(R"({"subsets":[
    {"addresses":[{"ip":"10.0.0.2"},{"ip":"10.0.0.1"},{"ip":"no address"},{}],"ports":[{"name":"https","port":6443}]},
    {"addresses":[{"ip":"10.0.0.2"}],"ports":[{"port":6443},{"port":70000},{"port":"6443"},{"port":-1}]},
    {"addresses":null,"ports":[{"port":1}]}, 7]})");
  CHECK(servers_in(object) == std::vector<endpoint>{{"10.0.0.2", 6443}, {"10.0.0.1", 6443}});
  for (const char* text : {"{}", "[]", "7", R"({"subsets":{}})", R"({"subsets":[{"addresses":[{"ip":"10.0.0.1"}]}]})"})
    CHECK(servers_in(*parse_json(text)).empty());
}

TEST_CASE("kept servers are those of the same first server, and a damaged file is as good as none") {
  testing::stage on;
  auto network = net::sim::make_network(on.run.plan(), rng(1), *parse_rfc3339("2026-01-01T00:00:00Z"));
  auto& files = network->add("agent", {"10.0.0.8"}).disk();
  const endpoint first{"10.0.0.1", 6443};
  CHECK(kept_servers(files, "/state", first).empty());
  REQUIRE(files.write("/state", R"({"ServerURL":"https://10.0.0.1:6443","ServerAddresses":["10.0.0.2:6443","10.0.0.3", "::::", 7]})", 0600).ok());
  CHECK(kept_servers(files, "/state", first) == std::vector<endpoint>{{"10.0.0.2", 6443}, {"10.0.0.3", 6443}});
  CHECK(kept_servers(files, "/state", {"10.0.0.9", 6443}).empty());
  for (const char* text : {"", "{", "[]", R"({"ServerURL":7})", R"({"ServerURL":"https://10.0.0.1:6443","ServerAddresses":"x"})"}) {
    REQUIRE(files.write("/state", text, 0600).ok());
    const auto before = on.said.size();
    CHECK(kept_servers(files, "/state", first).empty());
    CHECK(on.said.size() <= before + 1);   // one line at most; none for what is of another server
  }
  CHECK(std::ranges::count(on.said, "endpoints.kept_list_unreadable") == 5);
  REQUIRE(files.write("/state", std::string(5'000'000, '['), 0600).ok());
  CHECK(kept_servers(files, "/state", first).empty());
}

namespace {
class settled_state {
 public:
  static constexpr const char* name = "settled";
  explicit settled_state(rt::self<endpoints::settled_actor>) {}
  void init(std::shared_ptr<std::vector<std::vector<endpoint>>> told) { told_ = std::move(told); }
  endpoints::settled_actor::behavior_type make_behavior() {
    return {[this](endpoints::servers_settled& now) { told_->push_back(now.servers); }};
  }

 private:
  std::shared_ptr<std::vector<std::vector<endpoint>>> told_;
};
}  // namespace

TEST_CASE("a list of servers that lies, empty, repeated, endless or of nonsense, is doubted in one line, and the next good one is taken") {
  testing::stage on;
  auto script = std::make_shared<testing::api_script>();
  script->on_call = [](const client::api_call&) { return client::api_answer{200, R"({"metadata":{"resourceVersion":"1"},"items":[]})"}; };
  auto told = std::make_shared<std::vector<std::vector<endpoint>>>();
  const auto owner = on.show(rt::spawn<endpoints::settled_actor, settled_state>(on.world, "", told));
  on.show(endpoints::make_refresher(on.world, {{"10.0.0.1", 6443}, "", 300ms}, testing::make_fake_api(on, script), owner));
  on.run.run_for(1s);
  int version = 1;
  const auto tell = [&](const std::vector<std::string>& addresses, int repeat = 1) {
    json list = json::array();
    for (int i = 0; i < repeat; ++i)
      for (const auto& one : addresses) list.push_back({{"ip", one}});
    json subset{{"addresses", list}, {"ports", json::array({json{{"port", 6443u}}})}};
    for (int i = 0; i < 3; ++i)   // as often as a server likes to say it
      script->tell("MODIFIED", {{"metadata", {{"name", "kubernetes"}, {"namespace", "default"}, {"resourceVersion", std::to_string(++version)}}},
                                {"subsets", json::array({subset})}}), on.run.run_for(1s);
  };
  const auto lines = [&] { return std::ranges::count(on.said, "endpoints.list_doubted"); };
  tell({"10.0.0.1", "10.0.0.2"});
  REQUIRE(told->size() == 1);
  CHECK(lines() == 0);
  tell({});
  CHECK(told->size() == 1);   // the old one is better
  CHECK(lines() == 1);
  tell({"nobody", "", "::::"}, 100);
  CHECK(told->size() == 1);
  CHECK(lines() == 2);
  tell({"10.0.0.3"}, 10'000);
  REQUIRE(told->size() == 2);
  CHECK(told->back() == std::vector<endpoint>{{"10.0.0.3", 6443}});
  CHECK(lines() == 2);
  std::vector<std::string> many;
  for (int i = 0; i < 10'000; ++i) many.push_back("10.1." + std::to_string(i / 250) + "." + std::to_string(i % 250));
  tell(many);
  REQUIRE(told->size() == 3);
  CHECK(told->back().size() == endpoints::servers_max);
  CHECK(lines() == 3);
  tell({"10.0.0.1", "10.0.0.2"});
  REQUIRE(told->size() == 4);
  CHECK(told->back() == std::vector<endpoint>{{"10.0.0.1", 6443}, {"10.0.0.2", 6443}});
}
