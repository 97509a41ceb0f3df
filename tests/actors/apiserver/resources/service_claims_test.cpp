// Services of several servers over one store: no two have one address or node port, whoever writes when, and whatever breaks.
#include "actors/apiserver/resources/service_claims.hpp"

#include "actors/apiserver/resources/claim_keeper.hpp"
#include "actors/apiserver/resources/kind_keeper.hpp"
#include "actors/datastore/shard.hpp"
#include "storage/sim/shared.hpp"
#include "tests/harness/stage.hpp"

using namespace troupe;
using namespace troupe::apiserver;
using testing::stage;

namespace {
const std::string specs = "/registry/services/specs/";
const schema::kind& kind_of(std::string_view plural) { return *schema::find("", "v1", plural); }

struct server {
  std::string name;
  datastore::shard_actor shard;
  std::map<std::string, kind_keeper_actor> keepers;
};

/// Servers whose ranges are so small that they meet: 15 addresses, 8 ports.
struct rig {
  rig(std::uint64_t seed, int count)
      : on(seed), store(*(kept = std::make_unique<storage::sim::shared_store>(on.run.plan(), rng(seed).fork("store")))) {
    for (int i = 0; i < count; ++i) servers.push_back(stand_up(std::string(1, static_cast<char>('a' + i))));
    good(write(servers[0], "POST", "/api/v1/namespaces", to_text({{"metadata", {{"name", "d"}}}})));
    on.run.run_for(1s);
  }
  server stand_up(const std::string& name) {
    server out{name, on.show(datastore::make_shard(on.world, {}, store.open(name))), {}};
    on.run.run_for(1s);
    const auto add = [&](const std::string& plural, std::vector<kind_keeper_actor> told) {
      keeper_config config;
      config.kind = &kind_of(plural);
      config.shared = true;
      config.services = {"10.43.0.0/27", 16, 30000, 30007};
      config.told_of_namespaces = std::move(told);
      return out.keepers[plural] = on.show(make_kind_keeper(on.world, std::move(config), datastore::writer_actor(out.shard)));
    };
    const auto services = add("services", {});
    add("namespaces", {services});
    for (auto& [plural, keeper] : out.keepers) {
      auto ignored = std::make_shared<std::vector<changes_applied>>();
      REQUIRE(on.ask<model::revision_number>(keeper, start_keeping{testing::make_listener<change_sink_actor, changes_applied>(on, ignored)}).ok());
    }
    return out;
  }
  testing::answer_box<written> begin(const server& at, const std::string& method, const std::string& path, const std::string& body = "",
                                     const std::string& type = "application/json") {
    auto to = route(method, path, "");
    REQUIRE_MESSAGE(std::holds_alternative<target>(to), path);
    write_object ask{std::make_shared<const target>(std::move(std::get<target>(to))), body, type, {"admin", {"system:masters"}}};
    const auto keeper = at.keepers.at(std::string(ask.what->kind->plural));
    return on.begin<written>(keeper, std::move(ask));
  }
  written write(const server& at, const std::string& method, const std::string& path, const std::string& body = "",
                const std::string& type = "application/json") {
    auto box = begin(at, method, path, body, type);
    REQUIRE(on.run.run_until([&] { return box->has_value(); }, 20s));
    REQUIRE((*box)->ok());
    return (*box)->value();
  }
  static json good(const written& got) {
    if (const auto* why = std::get_if<api_error>(&got.answer)) FAIL(why->message);
    if (const auto* text = std::get_if<std::string>(&got.answer)) return *parse_json(*text);
    return model::parse(*std::get<model::document_ptr>(got.answer));
  }
  storage::page below(const std::string& prefix) { return *store.log().range({prefix, storage::after_prefix(prefix), 0, 0}); }
  /// Every address and port once; and each is claimed by who holds it, and nothing else is claimed.
  void check(std::uint64_t seed) {
    std::set<std::string> seen;
    for (const auto& one : below(specs).records) {
      const auto held = holdings(*parse_json(one.value.view()));
      for (const auto& ip : held.releases_ips) CHECK_MESSAGE(seen.insert(ip).second, "seed " << seed << ": " << ip << " twice");
      for (const int port : held.releases_ports) CHECK_MESSAGE(seen.insert(std::to_string(port)).second, "seed " << seed << ": " << port << " twice");
    }
    CHECK_MESSAGE(claim_repairs(below(specs), below(std::string(claims_prefix))).empty(), "seed " << seed);
    CHECK(below(std::string(claims_prefix)).records.size() == seen.size());
  }
  std::unique_ptr<storage::sim::shared_store> kept;   // outlives the engines that the stage's actors own
  stage on;
  storage::sim::shared_store& store;
  std::vector<server> servers;
};

const std::string path = "/api/v1/namespaces/d/services";
json service(const std::string& name, const std::string& type = "ClusterIP", const std::string& ip = "", int port = 0) {
  json one{{"name", "p"}, {"port", 80}};
  if (port != 0) one["nodePort"] = port;
  json spec{{"type", type}, {"ports", json::array({one})}};
  if (!ip.empty()) spec["clusterIP"] = ip;
  return {{"metadata", {{"name", name}}}, {"spec", spec}};
}
std::string refusal(const written& got) {
  const auto* why = std::get_if<api_error>(&got.answer);
  return why ? std::to_string(why->code) + " " + why->message : "";
}
}  // namespace

TEST_CASE("Services made at once through several servers all get addresses and ports of their own") {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    rig r(seed, 3);
    for (const auto& s : r.servers) r.store.lag(s.name, 0ms, 300ms);
    std::vector<testing::answer_box<written>> boxes;
    for (int i = 0; i < 8; ++i) boxes.push_back(r.begin(r.servers[static_cast<std::size_t>(i % 3)], "POST", path, to_text(service("s" + std::to_string(i), "NodePort"))));
    r.on.run.run_for(20s);
    for (const auto& box : boxes) {
      REQUIRE(box->has_value());
      CHECK_MESSAGE(refusal((*box)->value()).empty(), seed << ": " << refusal((*box)->value()));
    }
    r.check(seed);
    CHECK(r.below(std::string(claims_prefix)).records.size() == 16);
  }
}

TEST_CASE("of two who ask for one address or one port at two servers one has it, and the other hears that it is taken") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    rig r(seed, 2);
    r.store.lag("b", 0ms, 300ms);
    auto one = r.begin(r.servers[0], "POST", path, to_text(service("x", "ClusterIP", "10.43.0.5")));
    auto other = r.begin(r.servers[1], "POST", path, to_text(service("y", "ClusterIP", "10.43.0.5")));
    auto third = r.begin(r.servers[0], "POST", path, to_text(service("v", "NodePort", "", 30003)));
    auto fourth = r.begin(r.servers[1], "POST", path, to_text(service("w", "NodePort", "", 30003)));
    r.on.run.run_for(20s);
    const auto ip = refusal((*one)->value()) + refusal((*other)->value()), port = refusal((*third)->value()) + refusal((*fourth)->value());
    CHECK_MESSAGE((ip.starts_with("422 ") && ip.find("provided IP is already allocated") != std::string::npos), ip);
    CHECK_MESSAGE((port.starts_with("422 ") && port.find("provided port is already allocated") != std::string::npos), port);
    CHECK(r.below(specs).records.size() == 2);
    r.check(seed);
  }
}

TEST_CASE("an address that one server freed another gives at once, and a Service that changes keeps what it holds") {
  rig r(3, 2);
  r.store.lag("b", 300ms, 300ms);
  rig::good(r.write(r.servers[0], "POST", path, to_text(service("x", "NodePort", "10.43.0.5", 30003))));
  auto now = rig::good(r.write(r.servers[1], "PATCH", path + "/x", R"({"spec":{"type":"ClusterIP"}})", "application/merge-patch+json"));
  CHECK(dig(now, "spec", "clusterIP") == "10.43.0.5");
  r.check(0);
  rig::good(r.write(r.servers[0], "POST", path, to_text(service("y", "NodePort", "", 30003))));
  rig::good(r.write(r.servers[0], "DELETE", path + "/x"));
  rig::good(r.write(r.servers[1], "POST", path, to_text(service("z", "ClusterIP", "10.43.0.5"))));
  r.check(0);
  // What waits for a finalizer keeps its address until it is gone.
  auto held = service("f", "ClusterIP", "10.43.0.6");
  held["metadata"]["finalizers"] = {"example.com/hold"};
  rig::good(r.write(r.servers[0], "POST", path, to_text(held)));
  rig::good(r.write(r.servers[1], "DELETE", path + "/f"));
  r.check(0);
  CHECK(refusal(r.write(r.servers[1], "POST", path, to_text(service("g", "ClusterIP", "10.43.0.6")))).starts_with("422 "));
  r.write(r.servers[0], "PATCH", path + "/f", R"({"metadata":{"finalizers":null}})", "application/merge-patch+json");
  rig::good(r.write(r.servers[1], "POST", path, to_text(service("g", "ClusterIP", "10.43.0.6"))));
  r.check(0);
}

TEST_CASE("no address is ever given twice while leaders are lost, servers are cut off and answers get lost") {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    rig r(seed, 3);
    rng dice(seed * 7919);
    std::vector<testing::answer_box<written>> boxes;
    for (int round = 0; round < 60; ++round) {
      const auto& at = r.servers[dice.below(3)];
      const auto name = "s" + std::to_string(dice.below(10));
      const bool outside = dice.chance(50), chosen = dice.chance(30);
      const auto ip = chosen ? "10.43.0." + std::to_string(17 + dice.below(12)) : std::string();
      const auto body = to_text(service(name, outside ? "NodePort" : "ClusterIP", ip, outside && chosen ? 30000 + static_cast<int>(dice.below(8)) : 0));
      switch (dice.below(4)) {
        case 0: boxes.push_back(r.begin(at, "DELETE", path + "/" + name)); break;
        case 1: boxes.push_back(r.begin(at, "PATCH", path + "/" + name, dice.chance(50) ? R"({"spec":{"type":"NodePort"}})" : R"({"spec":{"type":"ClusterIP"}})", "application/merge-patch+json")); break;
        default: boxes.push_back(r.begin(at, "POST", path, body));
      }
      if (dice.chance(10)) r.store.cut_off(r.servers[dice.below(3)].name);
      if (dice.chance(5)) r.store.lose_leader();
      if (dice.chance(20)) r.store.heal();
      if (dice.chance(5)) r.store.fill_up();
      if (dice.chance(10)) r.store.lag(at.name, 0ms, 400ms);
      r.on.run.run_for(std::chrono::milliseconds(dice.below(200)));
    }
    r.store.heal();
    r.on.run.run_for(30s);
    for (const auto& box : boxes) CHECK_MESSAGE(box->has_value(), seed);
    r.check(seed);
  }
}

TEST_CASE("Services that were stored before there were claims get theirs, what nobody holds goes, and then nothing is left to do") {
  rig r(1, 2);
  const auto engine = r.store.open("a");
  r.on.run.run_for(1s);
  const auto put = [&](const std::string& key, const std::string& value) {
    std::vector<storage::operation> one;
    one.push_back({storage::operation::kind::create, key, bytes(value), 0});
    engine->commit(std::move(one), [](storage::committed_batch) {});
  };
  auto old = service("old", "NodePort", "10.43.0.7", 30001), twin = service("twin", "ClusterIP", "10.43.0.7");
  for (auto* each : {&old, &twin}) {
    (*each)["metadata"]["namespace"] = "d";
    (*each)["spec"]["clusterIPs"] = json::array({"10.43.0.7"});
    (*each)["apiVersion"] = "v1", (*each)["kind"] = "Service";
  }
  put(specs + "d/old", to_text(old));
  put(specs + "d/twin", to_text(twin));
  put(specs + "d/broken", "{");
  put("/registry/claims/addresses/10.43.0.20", specs + "d/nobody");
  put("/registry/claims/ports/30001", specs + "d/nobody");
  r.on.run.run_for(1s);
  CHECK(refusal(r.write(r.servers[0], "POST", path, to_text(service("x", "ClusterIP", "10.43.0.20")))).starts_with("422 "));

  const auto keeper = r.on.show(make_claim_keeper(r.on.world, {}, datastore::pages_actor(r.servers[0].shard)));
  r.on.run.run_for(1s);
  std::map<std::string, std::string> there;
  for (const auto& one : r.below(std::string(claims_prefix)).records) there[one.key] = one.value.str();
  CHECK(there == std::map<std::string, std::string>{{"/registry/claims/addresses/10.43.0.7", specs + "d/old"}, {"/registry/claims/ports/30001", specs + "d/old"}});
  const auto again = r.on.ask<std::uint64_t>(keeper, repair_claims{});
  REQUIRE(again.ok());
  CHECK(*again == 0);
  rig::good(r.write(r.servers[0], "POST", path, to_text(service("x", "ClusterIP", "10.43.0.20"))));
}

TEST_CASE("a store without room refuses with 507 and takes deletions; when there is room it takes everything again") {
  rig r(5, 2);
  rig::good(r.write(r.servers[0], "POST", path, to_text(service("x"))));
  r.store.fill_up();
  const auto no = r.write(r.servers[1], "POST", path, to_text(service("y")));
  CHECK_MESSAGE(refusal(no).starts_with("507 the datastore has no room left"), refusal(no));
  CHECK(refusal(r.write(r.servers[1], "PATCH", path + "/x", R"({"metadata":{"labels":{"a":"b"}}})", "application/merge-patch+json")).starts_with("507 "));
  rig::good(r.write(r.servers[1], "DELETE", path + "/x"));
  r.check(0);
  r.store.make_room();
  rig::good(r.write(r.servers[1], "POST", path, to_text(service("y"))));
  r.check(0);
}

TEST_CASE("a repair while Services come and go takes nothing from anybody") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    rig r(seed, 2);
    rng dice(seed);
    const auto keeper = r.on.show(make_claim_keeper(r.on.world, {1ms, 1ms}, datastore::pages_actor(r.servers[0].shard)));
    for (int i = 0; i < 60; ++i) {
      const auto name = "s" + std::to_string(dice.below(6));
      const auto& at = r.servers[dice.below(2)];
      auto box = dice.chance(50) ? r.begin(at, "POST", path, to_text(service(name, "NodePort"))) : r.begin(at, "DELETE", path + "/" + name);
      r.on.run.run_for(std::chrono::milliseconds(dice.below(8)));
    }
    r.on.run.run_for(5s);
    r.check(seed);
  }
}
