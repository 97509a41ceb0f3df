// Owners that belong to nobody themselves: the garbage collector does not follow them, and yet must learn of their end.
#include <doctest/doctest.h>

#include <optional>

#include "tests/harness/cluster.hpp"

namespace troupe::scenario {
namespace {

using harness::cluster;
using std::chrono::seconds;

const std::string collection = "/api/v1/namespaces/default/configmaps";

struct house {
  cluster c{7};
  house() {
    c.add_server("server", cluster::server_address);
    begin();
  }
  void begin() {
    c.start("server");
    REQUIRE(c.run().run_until([&] { return c["server"].ready; }, seconds(60)));
  }
  client::api_answer ask(const std::string& method, const std::string& path, const json& body = nullptr) {
    std::optional<client::api_answer> got;
    c.call("server", {method, path, body.is_null() ? "" : to_text(body), "application/json", "", {}}, [&](const client::api_answer* a) { got = a ? *a : client::api_answer{503, ""}; });
    REQUIRE(c.run().run_until([&] { return got.has_value(); }, seconds(60)));
    return *got;
  }
  bool there(const std::string& name) { return ask("GET", collection + "/" + name).ok(); }
  std::string make(const std::string& name, const std::vector<std::pair<std::string, std::string>>& owners = {}) {
    json object{{"metadata", {{"name", name}}}};
    for (const auto& [owner, uid] : owners)
      object["metadata"]["ownerReferences"].push_back({{"apiVersion", "v1"}, {"kind", "ConfigMap"}, {"name", owner}, {"uid", uid}});
    const auto got = ask("POST", collection, object);
    REQUIRE_MESSAGE(got.ok(), got.body);
    return text_or(dig(*parse_json(got.body), "metadata", "uid"));
  }
  bool goes(const std::string& name) {
    for (int i = 0; i < 60; ++i) {
      if (!there(name)) return true;
      c.run().run_for(seconds(1));
    }
    return false;
  }
  std::size_t owners(const std::string& name) {
    return dig(*parse_json(ask("GET", collection + "/" + name).body), "metadata", "ownerReferences").size();
  }
};

}  // namespace

TEST_CASE("what belongs to an owner that nobody owns goes with it, and only then") {
  house h;
  const auto first = h.make("first"), second = h.make("second");
  h.make("of-first", {{"first", first}});
  h.make("of-both", {{"first", first}, {"second", second}});
  h.make("of-second", {{"second", second}});
  h.c.run().run_for(seconds(30));
  for (auto name : {"of-first", "of-both", "of-second"}) CHECK(h.there(name));
  REQUIRE(h.ask("DELETE", collection + "/first").ok());
  CHECK(h.goes("of-first"));
  h.c.run().run_for(seconds(10));
  CHECK(h.there("of-both"));
  CHECK(h.owners("of-both") == 1);
  CHECK(h.there("of-second"));
  REQUIRE(h.ask("DELETE", collection + "/second").ok());
  CHECK(h.goes("of-both"));
  CHECK(h.goes("of-second"));
}

TEST_CASE("an owner's end is noticed also by a server that was not there") {
  house h;
  const auto owner = h.make("owner");
  h.make("owned", {{"owner", owner}});
  h.c.run().run_for(seconds(5));
  REQUIRE(h.ask("DELETE", collection + "/owner").ok());
  h.c.crash("server");
  h.begin();
  CHECK(h.goes("owned"));
}

TEST_CASE("who names an owner that never was, or is another by now, goes; who names one that lives and one that is gone stays") {
  house h;
  const auto alive = h.make("alive");
  h.make("lost", {{"nobody", "no-such-uid"}});
  h.make("late", {{"alive", "uid-of-one-before"}});
  h.make("half", {{"nobody", "no-such-uid"}, {"alive", alive}});
  CHECK(h.goes("lost"));
  CHECK(h.goes("late"));
  h.c.run().run_for(seconds(10));
  CHECK(h.there("half"));
  CHECK(h.owners("half") == 1);
}

}  // namespace troupe::scenario
