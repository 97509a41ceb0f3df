#include "actors/apiserver/resources/kind_keeper.hpp"

#include "actors/datastore/shard.hpp"
#include "tests/harness/stage.hpp"

using namespace troupe;
using namespace troupe::apiserver;
using testing::stage;

namespace {
const schema::kind& kind_of(std::string_view plural) { return *schema::find("", "v1", plural); }
constexpr const char* merge = "application/merge-patch+json";

/// Remembers which writes may wait for their sync, and hands everything on.
class listening_engine final : public storage::engine {
 public:
  listening_engine(std::unique_ptr<storage::engine> real, std::vector<std::string>& relaxed)
      : real_(std::move(real)), relaxed_(&relaxed) {}
  void commit(std::vector<storage::operation> batch, commit_done done) override {
    for (const auto& one : batch)
      if (one.relaxed) relaxed_->push_back(one.key);
    real_->commit(std::move(batch), std::move(done));
  }
  void range(storage::range_query what, range_done done) override { real_->range(std::move(what), std::move(done)); }
  void changes_after(storage::revision after, std::size_t limit, changes_done done) override {
    real_->changes_after(after, limit, std::move(done));
  }
  void compact(storage::revision to, engine::done done) override { real_->compact(to, std::move(done)); }
  void raise_revision(storage::revision to, engine::done done) override { real_->raise_revision(to, std::move(done)); }
  void backup(std::string path, engine::done done) override { real_->backup(std::move(path), std::move(done)); }
  void verify(engine::done done) override { real_->verify(std::move(done)); }
  storage::status status() const override { return real_->status(); }
  void on_news(callback<void()> wake) override { real_->on_news(std::move(wake)); }

 private:
  std::unique_ptr<storage::engine> real_;
  std::vector<std::string>* relaxed_;
};

/// Keepers of a few kinds over one shard on a disk in memory.
struct rig {
  explicit rig(std::uint64_t seed = 1, std::shared_ptr<storage::memory_disk> on_disk = std::make_shared<storage::memory_disk>())
      : disk(std::move(on_disk)), on(seed) {
    shard = on.show(datastore::make_shard(on.world, {}, std::make_unique<listening_engine>(
        storage::make_memory_engine(disk, [this](task what) { on.run.plan().in(1ms, std::move(what)); }), relaxed)));
    std::vector<kind_keeper_actor> told;
    for (const char* plural : {"configmaps", "events", "services"}) told.push_back(add(plural));
    add("namespaces", told);
    for (auto& [plural, keeper] : keepers) REQUIRE(on.ask<model::revision_number>(keeper, start_keeping{testing::make_listener<change_sink_actor, changes_applied>(on, heard[plural])}).ok());
    on.settle();
  }
  kind_keeper_actor add(const std::string& plural, std::vector<kind_keeper_actor> told = {}) {
    keeper_config config;
    config.kind = &kind_of(plural);
    config.told_of_namespaces = std::move(told);
    heard[plural] = std::make_shared<std::vector<changes_applied>>();
    return keepers[plural] = on.show(make_kind_keeper(on.world, std::move(config), datastore::writer_actor(shard)));
  }
  write_object ask(const std::string& method, const std::string& path_and_query, const std::string& body, const std::string& type) {
    const auto cut = path_and_query.find('?');
    auto to = route(method, path_and_query.substr(0, cut), cut == std::string::npos ? "" : path_and_query.substr(cut + 1));
    REQUIRE_MESSAGE(std::holds_alternative<target>(to), path_and_query);
    return {std::make_shared<const target>(std::move(std::get<target>(to))), body, type, {"admin", {"system:masters"}}};
  }
  const kind_keeper_actor& of(const write_object& what) { return keepers.at(std::string(what.what->kind->plural)); }
  written write(const std::string& method, const std::string& path, const std::string& body = "", const std::string& type = "application/json") {
    auto what = ask(method, path, body, type);
    auto got = on.ask<written>(of(what), what);
    REQUIRE(got.ok());
    return *got;
  }
  testing::answer_box<written> begin(const std::string& method, const std::string& path, const std::string& body = "", const std::string& type = "application/json") {
    auto what = ask(method, path, body, type);
    return on.begin<written>(of(what), what);
  }
  void make_namespace(const std::string& name) {
    REQUIRE(write("POST", "/api/v1/namespaces", to_text({{"metadata", {{"name", name}}}})).created);
    on.settle();
  }
  std::shared_ptr<storage::memory_disk> disk;
  std::vector<std::string> relaxed;  ///< Keys of the writes that might wait for their sync.
  stage on;
  datastore::shard_actor shard;
  std::map<std::string, kind_keeper_actor> keepers;
  std::map<std::string, std::shared_ptr<std::vector<changes_applied>>> heard;
};

const std::string maps = "/api/v1/namespaces/d/configmaps";
std::string map(const std::string& name, const std::string& value = "1") { return to_text({{"metadata", {{"name", name}}}, {"data", {{"k", value}}}}); }
json good(const written& got) {
  if (const auto* why = std::get_if<api_error>(&got.answer)) FAIL(why->message);
  REQUIRE(std::holds_alternative<model::document_ptr>(got.answer));
  return model::parse(*std::get<model::document_ptr>(got.answer));
}
int code(const written& got) {
  const auto* why = std::get_if<api_error>(&got.answer);
  return why ? why->code : 200;
}
std::string reason(const written& got) {
  const auto* why = std::get_if<api_error>(&got.answer);
  return why ? why->reason : "";
}
std::string version(const json& object) { return text_or(dig(object, "metadata", "resourceVersion")); }
}  // namespace

TEST_CASE("what is created can be changed and deleted, and everyone who follows is told each step once") {
  rig r;
  r.make_namespace("d");
  const auto made = r.write("POST", maps, map("x"));
  CHECK(made.created);
  const auto object = good(made);
  CHECK(object["metadata"]["namespace"] == "d");
  CHECK(!text_or(object["metadata"]["uid"]).empty());
  CHECK(object["metadata"]["creationTimestamp"] == "2026-11-22T07:00:00Z");
  auto next = object;
  next["data"]["k"] = "2";
  const auto changed = good(r.write("PUT", maps + "/x", to_text(next)));
  CHECK(changed["data"]["k"] == "2");
  CHECK(std::stoll(version(changed)) > std::stoll(version(object)));
  CHECK(code(r.write("DELETE", maps + "/x")) == 200);
  r.on.settle();
  std::string told;
  for (const auto& news : *r.heard["configmaps"])
    for (const auto& change : *news.changes) told += change.now ? change.before ? "changed " : "added " : "gone ";
  CHECK(told == "added changed gone ");
  CHECK(r.heard["configmaps"]->back().all.empty());
  CHECK(r.write("DELETE", maps + "/x").answer.index() == 2);
}

TEST_CASE("an answer never comes before the keeper's own copy has it") {
  rig r;
  r.make_namespace("d");
  const auto at = std::stoll(version(good(r.write("POST", maps, map("x")))));
  CHECK(*r.on.ask<model::revision_number>(r.keepers["configmaps"], catch_up{}) >= at);
  CHECK(code(r.write("POST", maps, map("x"))) == 409);
  CHECK(reason(r.write("POST", maps, map("x"))) == "AlreadyExists");
}

TEST_CASE("an update at a revision that has passed is a conflict, one without a revision is not") {
  rig r;
  r.make_namespace("d");
  const auto first = good(r.write("POST", maps, map("x")));
  auto mine = first;
  mine["data"]["k"] = "2";
  good(r.write("PUT", maps + "/x", to_text(mine)));
  mine["data"]["k"] = "3";
  const auto stale = r.write("PUT", maps + "/x", to_text(mine));
  CHECK(code(stale) == 409);
  CHECK(reason(stale) == "Conflict");
  CHECK(good(r.write("PUT", maps + "/x", map("x", "4")))["data"]["k"] == "4");
  CHECK(code(r.write("PUT", maps + "/missing", map("missing"))) == 404);
}

TEST_CASE("patches that race are all applied, because each is tried again on the newest state") {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    rig r(seed);
    r.make_namespace("d");
    good(r.write("POST", maps, map("x")));
    std::vector<testing::answer_box<written>> boxes;
    for (int i = 0; i < 4; ++i) boxes.push_back(r.begin("PATCH", maps + "/x", to_text({{"data", {{"p" + std::to_string(i), "1"}}}}), merge));
    r.on.run.run_for(1s);
    for (const auto& box : boxes) {
      REQUIRE(box->has_value());
      good((*box)->value());
    }
    CHECK(good(r.write("PATCH", maps + "/x", "{}", merge))["data"].size() == 5);
  }
}

TEST_CASE("a patch that names a revision is not tried again") {
  rig r;
  r.make_namespace("d");
  const auto first = good(r.write("POST", maps, map("x")));
  good(r.write("PATCH", maps + "/x", "{\"data\":{\"a\":\"1\"}}", merge));
  const json patch{{"metadata", {{"resourceVersion", version(first)}}}, {"data", {{"b", "1"}}}};
  CHECK(reason(r.write("PATCH", maps + "/x", to_text(patch), merge)) == "Conflict");
}

TEST_CASE("of two that update one state exactly one succeeds, on every schedule") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    rig r(seed);
    r.make_namespace("d");
    auto mine = good(r.write("POST", maps, map("x")));
    auto theirs = mine;
    mine["data"]["k"] = "mine";
    theirs["data"]["k"] = "theirs";
    auto a = r.begin("PUT", maps + "/x", to_text(mine)), b = r.begin("PUT", maps + "/x", to_text(theirs));
    r.on.run.run_for(1s);
    CHECK(code((*a)->value()) + code((*b)->value()) == 200 + 409);
  }
}

TEST_CASE("of many that create one name exactly one succeeds") {
  rig r(7);
  r.make_namespace("d");
  std::vector<testing::answer_box<written>> boxes;
  for (int i = 0; i < 8; ++i) boxes.push_back(r.begin("POST", maps, map("x", std::to_string(i))));
  r.on.run.run_for(1s);
  int made = 0;
  for (const auto& box : boxes) made += (*box)->value().created && code((*box)->value()) == 200;
  CHECK(made == 1);
}

TEST_CASE("a patch that changes nothing is stored nowhere") {
  rig r;
  r.make_namespace("d");
  const auto first = good(r.write("POST", maps, map("x")));
  const auto head = r.disk->log.ends().head;
  CHECK(version(good(r.write("PATCH", maps + "/x", "{\"data\":{\"k\":\"1\"}}", merge))) == version(first));
  CHECK(r.disk->log.ends().head == head);
}

TEST_CASE("a dry run answers as the real thing and stores nothing") {
  rig r;
  r.make_namespace("d");
  const auto head = r.disk->log.ends().head;
  const auto made = r.write("POST", maps + "?dryRun=All", map("x"));
  CHECK(made.created);
  CHECK(version(good(made)).empty());
  CHECK(r.disk->log.ends().head == head);
  good(r.write("POST", maps, map("x")));
  const auto stored = r.disk->log.ends().head;
  CHECK(code(r.write("POST", maps + "?dryRun=All", map("x"))) == 409);
  CHECK(good(r.write("PATCH", maps + "/x?dryRun=All", "{\"data\":{\"k\":\"9\"}}", merge))["data"]["k"] == "9");
  CHECK(code(r.write("DELETE", maps + "/x?dryRun=All")) == 200);
  CHECK(r.disk->log.ends().head == stored);
  CHECK(good(r.write("PATCH", maps + "/x", "{}", merge))["data"]["k"] == "1");
}

TEST_CASE("a generated name is the prefix and five characters, anew for each") {
  rig r;
  r.make_namespace("d");
  std::set<std::string> names;
  for (int i = 0; i < 20; ++i) names.insert(text_or(good(r.write("POST", maps, "{\"metadata\":{\"generateName\":\"x-\"}}"))["metadata"]["name"]));
  CHECK(names.size() == 20);
  for (const auto& name : names) {
    CHECK(name.starts_with("x-"));
    CHECK(name.size() == 7);
  }
}

TEST_CASE("nothing is created where there is no namespace or where one is going away") {
  rig r;
  CHECK(code(r.write("POST", maps, map("x"))) == 404);
  r.make_namespace("d");
  good(r.write("POST", maps, map("x")));
  CHECK(code(r.write("DELETE", "/api/v1/namespaces/d")) == 200);
  r.on.settle();
  const auto late = r.write("POST", maps, map("y"));
  CHECK(code(late) == 403);
  CHECK(std::get<api_error>(late.answer).message.find("because it is being terminated") != std::string::npos);
  // What is there can still be changed and taken away.
  good(r.write("PATCH", maps + "/x", "{\"data\":{\"k\":\"2\"}}", merge));
  CHECK(code(r.write("DELETE", maps + "/x")) == 200);
}

TEST_CASE("an object with finalizers goes when the last of them is taken away") {
  rig r;
  r.make_namespace("d");
  good(r.write("POST", maps, "{\"metadata\":{\"name\":\"x\",\"finalizers\":[\"example.com/hold\"]}}"));
  const auto going = good(r.write("DELETE", maps + "/x"));
  CHECK(!text_or(going["metadata"]["deletionTimestamp"]).empty());
  CHECK(version(good(r.write("DELETE", maps + "/x"))) == version(going));
  CHECK(code(r.write("PATCH", maps + "/x", "{\"metadata\":{\"finalizers\":null}}", merge)) == 200);
  CHECK(code(r.write("DELETE", maps + "/x")) == 404);
}

TEST_CASE("a collection is deleted as far as its selector goes and no farther") {
  rig r;
  r.make_namespace("d");
  r.make_namespace("e");
  for (int i = 0; i < 10; ++i)
    good(r.write("POST", maps, to_text({{"metadata", {{"name", "x" + std::to_string(i)}, {"labels", {{"even", i % 2 ? "no" : "yes"}}}}}})));
  good(r.write("POST", "/api/v1/namespaces/e/configmaps", "{\"metadata\":{\"name\":\"x\",\"labels\":{\"even\":\"yes\"}}}"));
  CHECK(code(r.write("DELETE", maps + "?labelSelector=even%3Dyes")) == 200);
  r.on.settle();
  CHECK(r.heard["configmaps"]->back().all.size() == 6);
  CHECK(code(r.write("DELETE", maps)) == 200);
  r.on.settle();
  CHECK(r.heard["configmaps"]->back().all.size() == 1);
  CHECK(code(r.write("DELETE", maps)) == 200);   // of nothing
}

TEST_CASE("events go an hour after their last word, others stay") {
  rig r;
  r.make_namespace("d");
  const auto event = [&](const std::string& name) {
    return to_text({{"metadata", {{"name", name}, {"namespace", "d"}}}, {"involvedObject", {{"kind", "Pod"}, {"name", "p"}, {"namespace", "d"}}}, {"reason", "R"},
                    {"message", "m"}, {"type", "Normal"}, {"lastTimestamp", to_rfc3339(r.on.calendar.now())}});
  };
  good(r.write("POST", "/api/v1/namespaces/d/events", event("old")));
  good(r.write("POST", "/api/v1/namespaces/d/events", event("renewed")));
  r.on.run.run_for(40min);
  good(r.write("PATCH", "/api/v1/namespaces/d/events/renewed", to_text({{"lastTimestamp", to_rfc3339(r.on.calendar.now())}}), merge));
  good(r.write("POST", "/api/v1/namespaces/d/events", event("young")));
  CHECK(r.heard["events"]->back().all.size() == 3);
  r.on.run.run_for(30min);
  CHECK(r.heard["events"]->back().all.size() == 2);
  CHECK(!r.heard["events"]->back().all.find("d/old"));
  r.on.run.run_for(60min);
  CHECK(r.heard["events"]->back().all.empty());
}

TEST_CASE("a Service's address is its own, across a restart, until it is deleted") {
  const std::string services = "/api/v1/namespaces/d/services";
  const auto service = [](const std::string& name, const std::string& ip) {
    json out{{"metadata", {{"name", name}}}, {"spec", {{"ports", json::array({{{"port", 80}}})}}}};
    if (!ip.empty()) out["spec"]["clusterIP"] = ip;
    return to_text(out);
  };
  auto disk = std::make_shared<storage::memory_disk>();
  std::string ip;
  {
    rig r(1, disk);
    r.make_namespace("d");
    ip = text_or(good(r.write("POST", services, service("a", "")))["spec"]["clusterIP"]);
    CHECK(ip.starts_with("10.43."));
    CHECK(code(r.write("POST", services, service("b", ip))) == 422);
    CHECK(code(r.write("POST", services, service("b", "10.9.9.9"))) == 422);
  }
  rig again(2, disk);
  CHECK(code(again.write("POST", services, service("b", ip))) == 422);
  CHECK(code(again.write("DELETE", services + "/a")) == 200);
  again.on.settle();
  CHECK(good(again.write("POST", services, service("b", ip)))["spec"]["clusterIP"] == ip);
}

TEST_CASE("a keeper that starts again knows everything that was acknowledged") {
  auto disk = std::make_shared<storage::memory_disk>();
  {
    rig r(1, disk);
    r.make_namespace("d");
    for (int i = 0; i < 20; ++i) good(r.write("POST", maps, map("x" + std::to_string(i))));
    CHECK(code(r.write("DELETE", maps + "/x7")) == 200);
  }
  rig again(2, disk);
  CHECK(again.heard["configmaps"]->back().all.size() == 19);
  CHECK(code(again.write("POST", maps, map("x7"))) == 200);
}

TEST_CASE("a body that is no object of this kind is refused, and nothing is stored") {
  rig r;
  r.make_namespace("d");
  const auto head = r.disk->log.ends().head;
  for (const char* body : {"", "{", "[]", "7", "null", "{}", "{\"metadata\":{}}", "{\"metadata\":{\"name\":\"Bad Name\"}}", "{\"kind\":\"Secret\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"x\"}}",
                           "{\"metadata\":{\"name\":\"x\",\"namespace\":\"other\"}}", "{\"metadata\":{\"name\":\"x\"},\"data\":{\"k\":7}}"}) {
    const auto got = r.write("POST", maps, body);
    CHECK_MESSAGE(code(got) >= 400, body);
    CHECK_MESSAGE(code(got) < 500, body);
  }
  CHECK(code(r.write("POST", maps, map("x"), "text/plain")) == 415);
  CHECK(r.disk->log.ends().head == head);
}

TEST_CASE("events are stored as writes that may wait for their sync, objects are not") {
  rig r;
  r.make_namespace("d");
  REQUIRE(r.write("POST", maps, map("m")).created);
  CHECK(r.relaxed.empty());
  const std::string event = R"({"metadata":{"name":"e","namespace":"d"},"involvedObject":{"kind":"Pod","name":"p","namespace":"d"}})";
  REQUIRE(r.write("POST", "/api/v1/namespaces/d/events", event).created);
  CHECK(r.relaxed == std::vector<std::string>{"/registry/events/d/e"});
  good(r.write("PATCH", maps + "/m", R"({"data":{"k":"2"}})", merge));
  good(r.write("PATCH", "/api/v1/namespaces/d/events/e", R"({"count":2})", merge));
  CHECK(r.relaxed.size() == 2);
}
