// Kind keepers of two servers over one store: what each knows may be old, what they answer must not be.
#include "actors/apiserver/resources/kind_keeper.hpp"
#include "actors/apiserver/watch/fan.hpp"
#include "actors/datastore/shard.hpp"
#include "storage/sim/shared.hpp"
#include "tests/harness/stage.hpp"

using namespace troupe;
using namespace troupe::apiserver;
using testing::stage;

namespace {
const schema::kind& kind_of(std::string_view plural) { return *schema::find("", "v1", plural); }
constexpr const char* merge = "application/merge-patch+json";

class event_sink final : public watch_sink {
 public:
  explicit event_sink(std::shared_ptr<std::vector<std::string>> to) : to_(std::move(to)) {}
  bool wants_objects() const override { return true; }
  void line(const bytes&) override {}
  void event(std::string_view type, const std::shared_ptr<const json>& object) override {
    to_->push_back(std::string(type) + " " + text_or(dig(*object, "metadata", "name")) + "=" + text_or(dig(*object, "data", "k")));
  }
  std::size_t unsent() const override { return 0; }
  void end(bool, std::string_view) override { to_->push_back("end"); }

 private:
  std::shared_ptr<std::vector<std::string>> to_;
};

/// One server: a shard and keepers of two kinds, and what its gate would hear.
struct server {
  datastore::shard_actor shard;
  std::map<std::string, kind_keeper_actor> keepers;
  std::map<std::string, std::shared_ptr<std::vector<changes_applied>>> heard;
};

struct rig {
  explicit rig(std::uint64_t seed = 1) : on(seed), store(*(kept = std::make_unique<storage::sim::shared_store>(on.run.plan(), rng(seed).fork("store")))) {
    a = stand_up("a");
    b = stand_up("b");
    good(write(a, "POST", "/api/v1/namespaces", to_text({{"metadata", {{"name", "d"}}}})));
    on.run.run_for(1s);
  }
  server stand_up(const std::string& name) {
    server out;
    out.shard = on.show(datastore::make_shard(on.world, {}, store.open(name)));
    on.run.run_for(1s);
    const auto add = [&](const std::string& plural, std::vector<kind_keeper_actor> told) {
      keeper_config config;
      config.kind = &kind_of(plural);
      config.shared = true;
      config.told_of_namespaces = std::move(told);
      out.heard[plural] = std::make_shared<std::vector<changes_applied>>();
      return out.keepers[plural] = on.show(make_kind_keeper(on.world, std::move(config), datastore::writer_actor(out.shard)));
    };
    const auto maps = add("configmaps", {});
    add("namespaces", {maps});
    for (auto& [plural, keeper] : out.keepers)
      REQUIRE(on.ask<model::revision_number>(keeper, start_keeping{testing::make_listener<change_sink_actor, changes_applied>(on, out.heard[plural])}).ok());
    on.settle();
    return out;
  }
  testing::answer_box<written> begin(const server& at, const std::string& method, const std::string& path_and_query, const std::string& body = "", const std::string& type = "application/json") {
    const auto cut = path_and_query.find('?');
    auto to = route(method, path_and_query.substr(0, cut), cut == std::string::npos ? "" : path_and_query.substr(cut + 1));
    REQUIRE_MESSAGE(std::holds_alternative<target>(to), path_and_query);
    write_object ask{std::make_shared<const target>(std::move(std::get<target>(to))), body, type, {"admin", {"system:masters"}}};
    const auto keeper = at.keepers.at(std::string(ask.what->kind->plural));
    return on.begin<written>(keeper, std::move(ask));
  }
  written write(const server& at, const std::string& method, const std::string& path, const std::string& body = "", const std::string& type = "application/json") {
    auto box = begin(at, method, path, body, type);
    REQUIRE(on.run.run_until([&] { return box->has_value(); }, 20s));
    REQUIRE((*box)->ok());
    return (*box)->value();
  }
  static json good(const written& got) {
    if (const auto* why = std::get_if<api_error>(&got.answer)) FAIL(why->message);
    REQUIRE(std::holds_alternative<model::document_ptr>(got.answer));
    return model::parse(*std::get<model::document_ptr>(got.answer));
  }
  std::unique_ptr<storage::sim::shared_store> kept;
  stage on;
  storage::sim::shared_store& store;
  server a, b;
};

const std::string maps = "/api/v1/namespaces/d/configmaps";
std::string map(const std::string& name, const std::string& value = "1") { return to_text({{"metadata", {{"name", name}}}, {"data", {{"k", value}}}}); }
int code(const written& got) {
  const auto* why = std::get_if<api_error>(&got.answer);
  return why ? why->code : 200;
}
std::string reason(const written& got) {
  const auto* why = std::get_if<api_error>(&got.answer);
  return why ? why->reason : "";
}
std::string value_of(const json& object) { return text_or(dig(object, "data", "k")); }
}  // namespace

TEST_CASE("what one server created an instant ago another changes, patches and deletes, although its copy is old") {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    rig r(seed);
    r.store.lag("b", 200ms, 400ms);
    auto object = rig::good(r.write(r.a, "POST", maps, map("x")));
    CHECK(value_of(rig::good(r.write(r.b, "PATCH", maps + "/x", R"({"data":{"k":"2"}})", merge))) == "2");
    object = rig::good(r.write(r.a, "PATCH", maps + "/x", R"({"data":{"k":"3"}})", merge));
    object["data"]["k"] = "4";
    CHECK(value_of(rig::good(r.write(r.b, "PUT", maps + "/x", to_text(object)))) == "4");
    rig::good(r.write(r.a, "PATCH", maps + "/x", R"({"data":{"k":"5"}})", merge));
    CHECK(code(r.write(r.b, "DELETE", maps + "/x")) == 200);
    CHECK(code(r.write(r.a, "DELETE", maps + "/x")) == 404);
    CHECK(r.write(r.a, "POST", maps, map("x")).created);
    CHECK(r.store.log().range({"/registry/configmaps/d/x", {}, 0, 1})->records.size() == 1);
  }
}

TEST_CASE("a conflict that is one stays one, on whichever server") {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    rig r(seed);
    r.store.lag("b", 0ms, 300ms);
    const auto first = rig::good(r.write(r.a, "POST", maps, map("x")));
    CHECK(reason(r.write(r.b, "POST", maps, map("x"))) == "AlreadyExists");
    rig::good(r.write(r.a, "PATCH", maps + "/x", R"({"data":{"k":"2"}})", merge));
    auto stale = first;
    stale["data"]["k"] = "mine";
    const auto no = r.write(r.b, "PUT", maps + "/x", to_text(stale));
    CHECK(code(no) == 409);
    CHECK(reason(no) == "Conflict");
    CHECK(code(r.write(r.b, "DELETE", maps + "/absent")) == 404);
    auto mine = rig::good(r.write(r.a, "PATCH", maps + "/x", "{}", merge)), theirs = mine;
    mine["data"]["k"] = "mine";
    theirs["data"]["k"] = "theirs";
    auto one = r.begin(r.a, "PUT", maps + "/x", to_text(mine)), other = r.begin(r.b, "PUT", maps + "/x", to_text(theirs));
    r.on.run.run_for(10s);
    CHECK(code((*one)->value()) + code((*other)->value()) == 200 + 409);
  }
}

TEST_CASE("a write that would change nothing is answered from what stands, not from an old copy") {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    rig r(seed);
    rig::good(r.write(r.a, "POST", maps, map("x", "old")));
    r.on.run.run_for(1s);
    r.store.lag("b", 500ms, 500ms);
    rig::good(r.write(r.a, "PATCH", maps + "/x", R"({"data":{"k":"new"}})", merge));
    // To b's copy this changes nothing; it must be written all the same.
    CHECK(value_of(rig::good(r.write(r.b, "PATCH", maps + "/x", R"({"data":{"k":"old"}})", merge))) == "old");
    CHECK(value_of(rig::good(r.write(r.a, "PATCH", maps + "/x", "{}", merge))) == "old");
    // And what b thinks is being deleted is not any more.
    rig::good(r.write(r.a, "PATCH", maps + "/x", R"({"metadata":{"finalizers":["example.com/hold"]}})", merge));
    rig::good(r.write(r.a, "DELETE", maps + "/x"));
    r.on.run.run_for(2s);
    r.write(r.a, "PATCH", maps + "/x", R"({"metadata":{"finalizers":null}})", merge);
    REQUIRE(r.write(r.a, "POST", maps, map("x", "again")).created);
    CHECK(code(r.write(r.b, "DELETE", maps + "/x")) == 200);
    CHECK(code(r.write(r.a, "PATCH", maps + "/x", "{}", merge)) == 404);
  }
}

TEST_CASE("a collection is deleted with what another server has put into it an instant ago") {
  rig r;
  r.store.lag("b", 300ms, 300ms);
  for (int i = 0; i < 4; ++i) rig::good(r.write(r.a, "POST", maps, map("x" + std::to_string(i))));
  CHECK(code(r.write(r.b, "DELETE", maps)) == 200);
  CHECK(r.store.log().range({"/registry/configmaps/", storage::after_prefix("/registry/configmaps/"), 0, 0})->records.empty());
}

TEST_CASE("an object can be made through one server in a namespace that another made an instant ago") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    rig r(seed);
    rng dice(seed);
    r.store.lag("b", 0ms, std::chrono::milliseconds(dice.below(500)));
    REQUIRE(r.write(r.a, "POST", "/api/v1/namespaces", R"({"metadata":{"name":"fresh"}})").created);
    CHECK_MESSAGE(r.write(r.b, "POST", "/api/v1/namespaces/fresh/configmaps", map("x")).created, seed);
    CHECK(code(r.write(r.b, "POST", "/api/v1/namespaces/never/configmaps", map("x"))) == 404);
  }
}

TEST_CASE("watchers on a server whose changes were lost hear what came of them, once each, and its copy is whole") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    rig r(seed);
    for (const char* name : {"changed", "gone1", "gone2", "gone3", "made-again", "stays"}) rig::good(r.write(r.a, "POST", maps, map(name)));
    r.on.run.run_for(2s);
    watch_fan fan;
    auto events = std::make_shared<std::vector<std::string>>();
    std::size_t fed = 0;
    const auto feed = [&] {
      const auto& all = *r.b.heard["configmaps"];
      for (; fed < all.size(); ++fed) fan.hear(all[fed], r.on.calendar.now());
    };
    feed();
    auto asked = route("GET", maps, "watch=true&resourceVersion=" + std::to_string(fan.head()));
    REQUIRE(std::holds_alternative<target>(asked));
    watch_request request;
    request.how.served = &kind_of("configmaps");
    request.ns = "d";
    request.asked = std::make_shared<target>(std::get<target>(asked));
    request.to = std::make_unique<event_sink>(events);
    REQUIRE(std::holds_alternative<watch_fan::watcher_id>(fan.open(request, r.on.calendar.now())));

    r.store.cut_off("b");
    for (const char* value : {"2", "3"}) rig::good(r.write(r.a, "PATCH", maps + "/changed", to_text({{"data", {{"k", value}}}}), merge));
    for (const char* name : {"gone1", "gone2", "gone3", "made-again"}) CHECK(code(r.write(r.a, "DELETE", maps + "/" + name)) == 200);
    rig::good(r.write(r.a, "POST", maps, map("made-again", "new")));
    rig::good(r.write(r.a, "POST", maps, map("short-lived")));
    CHECK(code(r.write(r.a, "DELETE", maps + "/short-lived")) == 200);
    rig::good(r.write(r.a, "POST", maps, map("fresh")));
    r.store.compact();
    r.store.reconnect("b");
    // A head that is read meanwhile is not answered before the copy is whole.
    auto head = r.on.begin<model::revision_number>(r.b.keepers["configmaps"], catch_up{});
    REQUIRE(r.on.run.run_until([&] { return head->has_value(); }, 20s));
    if ((*head)->ok()) {
      r.on.run.run_for(0ms);
      CHECK_MESSAGE(r.b.heard["configmaps"]->back().all.find("d/fresh"), seed);
    }
    r.on.run.run_for(10s);
    feed();
    std::multiset<std::string> told(events->begin(), events->end());
    const std::multiset<std::string> wanted{"MODIFIED changed=3", "DELETED gone1=1", "DELETED gone2=1", "DELETED gone3=1", "DELETED made-again=1", "ADDED made-again=new", "ADDED fresh=1"};
    CHECK_MESSAGE(told == wanted, seed);
    const auto at = [&](const std::string& what) { return std::find(events->begin(), events->end(), what) - events->begin(); };
    CHECK(at("DELETED made-again=1") < at("ADDED made-again=new"));
    CHECK(r.b.heard["configmaps"]->back().all.size() == 4);
    rig::good(r.write(r.a, "POST", maps, map("later")));
    r.on.run.run_for(1s);
    feed();
    CHECK(events->back() == "ADDED later=1");
  }
}
