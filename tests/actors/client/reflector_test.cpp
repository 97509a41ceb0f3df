#include "actors/client/clients.hpp"
#include "tests/harness/stage.hpp"

using namespace troupe;
using namespace troupe::client;
using testing::stage;

namespace {
/// Writes down what a reflector tells.
class owner_state {
 public:
  static constexpr const char* name = "owner";
  explicit owner_state(rt::self<reflected_actor>) {}
  void init(std::vector<std::string>* told) { told_ = told; }
  reflected_actor::behavior_type make_behavior() {
    return {[this](object_seen& got) { told_->push_back("seen " + got.key + "@" + text_or(dig(*got.object, "metadata", "resourceVersion"))); },
            [this](object_lost& got) { told_->push_back("lost " + got.key); }, [this](kind_synced) { told_->push_back("synced"); }};
  }

 private:
  std::vector<std::string>* told_ = nullptr;
};

json object(const std::string& name, int version, const std::string& ns = "d") {
  return {{"metadata", {{"name", name}, {"namespace", ns}, {"resourceVersion", std::to_string(version)}}}};
}
api_answer list(int version, std::vector<json> items) {
  return {200, to_text({{"metadata", {{"resourceVersion", std::to_string(version)}}}, {"items", items}})};
}

struct rig {
  explicit rig(std::function<testing::api_script::reply(const api_call&)> answer, std::string selector = "") {
    script->on_call = std::move(answer);
    auto owner = on.show(rt::spawn<reflected_actor, owner_state>(on.world, "", &told));
    reflector = on.show(make_reflector(on.world, {"/api/v1/configmaps", std::move(selector)}, testing::make_fake_api(on, script), owner));
    on.settle();
  }
  std::string take() {
    on.settle();
    std::string out;
    for (const auto& line : std::exchange(told, {})) out += (out.empty() ? "" : ", ") + line;
    return out;
  }
  /// Runs until the next list was asked for; the virtual time it took.
  duration until_list() {
    const auto before = script->calls.size();
    const auto from = on.run.now();
    REQUIRE(on.run.run_until([&] { return script->calls.size() > before; }, 120s));
    return on.run.now() - from;
  }
  std::vector<std::string> told;
  std::shared_ptr<testing::api_script> script = std::make_shared<testing::api_script>();
  stage on;
  watcher_actor reflector;
};
}  // namespace

TEST_CASE("what is listed is seen, then synced, then what the watch brings") {
  rig r([](const api_call&) { return list(10, {object("x", 3), object("y", 7), object("n", 8, "")}); }, "labelSelector=a");
  CHECK(r.take() == "seen d/x@3, seen d/y@7, seen n@8, synced");
  REQUIRE(r.script->watches.size() == 1);
  CHECK(r.script->calls[0].path == "/api/v1/configmaps?labelSelector=a");
  CHECK(r.script->watches[0].call.path == "/api/v1/configmaps?watch=true&allowWatchBookmarks=true&resourceVersion=10&labelSelector=a");
  r.script->tell("ADDED", object("z", 11));
  r.on.settle();
  r.script->tell("MODIFIED", object("x", 12));
  r.on.settle();
  r.script->tell("DELETED", object("y", 13));
  CHECK(r.take() == "seen d/z@11, seen d/x@12, lost d/y");
}

TEST_CASE("a watch that ends is taken up again, and what went meanwhile is reported lost") {
  int lists = 0;
  rig r([&](const api_call&) {
    return ++lists == 1 ? list(10, {object("x", 3), object("y", 7)}) : list(20, {object("y", 15), object("z", 16)});
  });
  r.script->tell("ADDED", object("w", 11));
  CHECK(r.take() == "seen d/x@3, seen d/y@7, synced, seen d/w@11");
  r.script->tell("CLOSED", {{"message", "time is up"}});
  r.until_list();
  CHECK(r.take() == "seen d/y@15, seen d/z@16, lost d/w, lost d/x, synced");
  REQUIRE(r.script->watches.size() == 2);
  CHECK(r.script->watches[1].call.path.find("resourceVersion=20") != std::string::npos);
}

TEST_CASE("an error in the stream means to list anew") {
  rig r([](const api_call&) { return list(10, {object("x", 3)}); });
  r.take();
  r.script->tell("ERROR", {{"code", 410}});
  r.until_list();
  CHECK(r.take() == "seen d/x@3, synced");
  CHECK(r.script->watches.size() == 2);
}

TEST_CASE("what an old watch still says is not heard") {
  rig r([](const api_call&) { return list(10, {}); });
  const auto old = r.script->watches.back();
  r.script->tell("CLOSED", json::object());
  r.until_list();
  r.take();
  rt::post(old.to, watch_event{old.watch, "ADDED", std::make_shared<const json>(object("ghost", 11))});
  rt::post(old.to, watch_event{old.watch, "CLOSED", std::make_shared<const json>(json::object())});
  CHECK(r.take().empty());
  r.on.run.run_for(120s);
  CHECK(r.script->watches.size() == 2);
}

TEST_CASE("a bookmark is nothing to see") {
  rig r([](const api_call&) { return list(10, {}); });
  r.take();
  r.script->tell("BOOKMARK", object("", 50, ""));
  CHECK(r.take().empty());
}

TEST_CASE("a list that fails is repeated, ever more seldom, and at once again after success") {
  int failing = 12;
  int kind = 0;
  rig r([&](const api_call&) -> testing::api_script::reply {
    if (failing-- <= 0) return list(10, {});
    switch (kind++ % 5) {
      case 0: return fail(errc::unavailable, "");
      case 1: return api_answer{503, "{}"};
      case 2: return api_answer{200, "<html>"};
      case 3: return api_answer{200, "{}"};
      default: return api_answer{200, "{\"items\":7}"};
    }
  });
  CHECK(r.take().empty());
  std::vector<duration> waits;
  while (r.script->watches.empty()) {
    waits.push_back(r.until_list());
    r.on.settle();
  }
  CHECK(waits.size() == 12);
  CHECK(waits.front() < 1s);
  CHECK(waits.back() >= 29s);
  for (const auto& wait : waits) CHECK(wait <= 46s);
  CHECK(r.take() == "synced");
  r.script->tell("CLOSED", json::object());
  CHECK(r.until_list() < 1s);
}

namespace {
/// Keeps what it is told to be lost.
class loser_state {
 public:
  static constexpr const char* name = "loser";
  explicit loser_state(rt::self<reflected_actor>) {}
  void init(std::vector<json>* lost) { lost_ = lost; }
  reflected_actor::behavior_type make_behavior() {
    return {[](object_seen& got) { CHECK(dig(*got.object, "spec").is_object()); }, [this](object_lost& got) { lost_->push_back(*got.object); }, [](kind_synced) {}};
  }

 private:
  std::vector<json>* lost_ = nullptr;
};
}  // namespace

TEST_CASE("who asked for names only is told by name, uid and annotations what went between two lists") {
  int lists = 0;
  auto first = object("x", 3);
  first["metadata"]["uid"] = "u1";
  first["metadata"]["annotations"] = {{"a", "b"}};
  first["spec"] = {{"large", std::string(1000, 'x')}};
  std::vector<json> lost;
  auto script = std::make_shared<testing::api_script>();
  script->on_call = [&](const api_call&) { return ++lists == 1 ? list(10, {first}) : list(20, {}); };
  stage on;
  auto owner = on.show(rt::spawn<reflected_actor, loser_state>(on.world, "", &lost));
  on.show(make_reflector(on.world, {"/api/v1/pods", "", false, keeping::names}, testing::make_fake_api(on, script), owner));
  on.settle();
  CHECK(lost.empty());
  script->tell("CLOSED", json::object());
  REQUIRE(on.run.run_until([&] { return !lost.empty(); }, 120s));
  CHECK(lost.front() == json{{"metadata", {{"name", "x"}, {"namespace", "d"}, {"uid", "u1"}, {"annotations", {{"a", "b"}}}}}});
}
