#include <doctest/doctest.h>

#include "actors/apiserver/watch/fan.hpp"

using namespace troupe;
using namespace troupe::apiserver;

namespace {
const wall_time noon = *parse_rfc3339("2026-11-22T12:00:00Z");
const schema::kind& maps() { return *schema::find("", "v1", "configmaps"); }

struct heard {
  std::vector<bytes> lines;
  std::size_t unsent = 0;
  std::string ended;
};
class sink final : public watch_sink {
 public:
  explicit sink(std::shared_ptr<heard> to) : to_(std::move(to)) {}
  void line(const bytes& text) override { to_->lines.push_back(text); }
  std::size_t unsent() const override { return to_->unsent; }
  void end(bool in_order, std::string_view why) override { to_->ended = (in_order ? "in order " : "cut ") + std::string(why); }

 private:
  std::shared_ptr<heard> to_;
};

/// A fan of configmaps whose store the test plays.
struct rig {
  explicit rig(fan_config config = {}, model::revision_number start = 10) : fan(config), head(start) { say({}); }
  void say(std::vector<object_change> changes) {
    fan.hear({maps().index, std::make_shared<const std::vector<object_change>>(std::move(changes)), all, head}, noon);
  }
  model::document_ptr make(const std::string& name, const std::string& app, const std::string& ns) {
    return *model::make_document(maps(), to_text({{"apiVersion", "v1"}, {"kind", "ConfigMap"},
                                                  {"metadata", {{"name", name}, {"namespace", ns}, {"labels", {{"app", app}}}}}}), 0, head);
  }
  void put(const std::string& name, const std::string& app = "a", const std::string& ns = "d") {
    ++head;
    auto doc = make(name, app, ns);
    object_change change{head, all.find(ns + "/" + name), doc, nullptr};
    all = all.insert(doc);
    say({change});
  }
  void own(const std::string& name) {
    ++head;
    const json owner{{"apiVersion", "v1"}, {"kind", "ConfigMap"}, {"name", "x"}, {"uid", "u"}};
    auto doc = *model::make_document(maps(), to_text({{"metadata", {{"name", name}, {"namespace", "d"}, {"ownerReferences", json::array({owner})}}}}), 0, head);
    object_change change{head, all.find("d/" + name), doc, nullptr};
    all = all.insert(doc);
    say({change});
  }
  void erase(const std::string& name, const std::string& ns = "d") {
    ++head;
    auto before = all.find(ns + "/" + name);
    all = all.erase(ns + "/" + name);
    say({{head, before, nullptr, model::with_revision(*before, head)}});
  }
  std::variant<watch_fan::watcher_id, api_error> open(std::shared_ptr<heard> to, const std::string& query, const std::string& ns = "") {
    auto asked = route("GET", ns.empty() ? "/api/v1/configmaps" : "/api/v1/namespaces/" + ns + "/configmaps", "watch=true&" + query);
    REQUIRE(std::holds_alternative<target>(asked));
    watch_request request;
    request.how.served = &maps();
    request.ns = ns;
    request.asked = std::make_shared<target>(std::get<target>(asked));
    request.to = std::make_unique<sink>(std::move(to));
    return fan.open(request, noon);
  }
  std::shared_ptr<heard> watch(const std::string& query, const std::string& ns = "") {
    auto out = std::make_shared<heard>();
    REQUIRE(std::holds_alternative<watch_fan::watcher_id>(open(out, query, ns)));
    return out;
  }
  watch_fan fan;
  model::snapshot all;
  model::revision_number head;
};

/// "ADDED:x@11 MODIFIED:x@12"
std::string told(const heard& by) {
  std::string out;
  for (const auto& line : by.lines) {
    const auto event = parse_json(line.view());
    REQUIRE(event.ok());
    const auto& meta = dig(*event, "object", "metadata");
    out += (out.empty() ? "" : " ") + text_or(dig(*event, "type")) + ":" + text_or(dig(meta, "name")) + "@" + text_or(dig(meta, "resourceVersion"));
  }
  return out;
}
}  // namespace

TEST_CASE("a watch without a revision begins with what there is, and goes on with what changes") {
  rig r;
  r.put("x");
  auto w = r.watch("");
  CHECK(told(*w) == "ADDED:x@11");
  r.put("x");
  r.put("y");
  r.erase("x");
  CHECK(told(*w) == "ADDED:x@11 MODIFIED:x@12 ADDED:y@13 DELETED:x@14");
}

TEST_CASE("a watch from a revision is given every later change once and in order") {
  rig r;
  r.put("x");
  r.put("y");
  r.put("x");
  CHECK(told(*r.watch("resourceVersion=10")) == "ADDED:x@11 ADDED:y@12 MODIFIED:x@13");
  CHECK(told(*r.watch("resourceVersion=12")) == "MODIFIED:x@13");
  auto newest = r.watch("resourceVersion=13");
  CHECK(told(*newest).empty());
  r.erase("y");
  CHECK(told(*newest) == "DELETED:y@14");
}

TEST_CASE("a watch for what is bound hears of owned objects, and of every deletion") {
  rig r;
  r.put("free");
  r.own("owned");
  auto w = r.watch("bound=true");
  r.put("free");
  r.put("other");
  r.own("free");
  r.put("owned");   // let go
  r.erase("other");
  CHECK(told(*w) == "ADDED:owned@12 ADDED:free@15 DELETED:owned@16 DELETED:other@17");
}

TEST_CASE("a revision whose changes are no longer kept is answered with 410, before anything is sent") {
  fan_config config;
  config.kept_changes_max = 2;
  rig r(config);
  for (int i = 0; i < 4; ++i) r.put("x");   // 11 to 14; kept: 13, 14
  CHECK(r.fan.floor() == 12);
  for (const char* query : {"resourceVersion=1", "resourceVersion=9", "resourceVersion=11"}) {
    auto to = std::make_shared<heard>();
    const auto got = r.open(to, query);
    REQUIRE(std::holds_alternative<api_error>(got));
    CHECK(std::get<api_error>(got).code == 410);
    CHECK(to->lines.empty());
    CHECK(to->ended.empty());
  }
  CHECK(r.fan.watchers() == 0);
  CHECK(told(*r.watch("resourceVersion=12")) == "MODIFIED:x@13 MODIFIED:x@14");
}

TEST_CASE("changes before the server's start cannot be replayed") {
  rig r({}, 100);
  CHECK(std::get<api_error>(r.open(std::make_shared<heard>(), "resourceVersion=99")).code == 410);
  CHECK(told(*r.watch("resourceVersion=100")).empty());
}

TEST_CASE("crossing a selector's border looks like coming and going") {
  rig r;
  r.put("x", "a");
  auto a = r.watch("labelSelector=app%3Da&resourceVersion=11"), b = r.watch("labelSelector=app%3Db&resourceVersion=11");
  r.put("x", "b");
  r.put("x", "b");
  r.put("x", "a");
  r.erase("x");
  CHECK(told(*a) == "DELETED:x@12 ADDED:x@14 DELETED:x@15");
  CHECK(told(*b) == "ADDED:x@12 MODIFIED:x@13 DELETED:x@14");
  // What is deleted by leaving is the last state that matched.
  CHECK(text_or(dig(*parse_json(a->lines[0].view()), "object", "metadata", "labels", "app")) == "a");
}

TEST_CASE("watchers see their namespace and their name only") {
  rig r;
  auto one = r.watch("", "one"), named = r.watch("fieldSelector=metadata.name%3Dx");
  r.put("x", "a", "one");
  r.put("x", "a", "two");
  r.put("y", "a", "one");
  CHECK(told(*one) == "ADDED:x@11 ADDED:y@13");
  CHECK(told(*named) == "ADDED:x@11 ADDED:x@12");
}

TEST_CASE("watchers who want the same share the same bytes") {
  rig r;
  auto a = r.watch("resourceVersion=10"), b = r.watch("resourceVersion=10");
  // The first line may differ (tables put their columns there), later ones may not.
  r.put("x");
  r.put("x");
  REQUIRE(a->lines.size() == 2);
  REQUIRE(b->lines.size() == 2);
  CHECK(a->lines[0].view().data() == b->lines[0].view().data());
  CHECK(a->lines[1].view().data() == b->lines[1].view().data());
}

TEST_CASE("a watcher that does not take its bytes is cut, and nobody else") {
  fan_config config;
  config.unsent_max = 1000;
  rig r(config);
  auto slow = r.watch("resourceVersion=10"), quick = r.watch("resourceVersion=10");
  slow->unsent = 1001;
  r.put("x");
  CHECK(slow->ended == "cut the watcher is too slow");
  CHECK(r.fan.watchers() == 1);
  r.put("x");
  CHECK(slow->lines.size() == 1);
  CHECK(quick->lines.size() == 2);
  CHECK(quick->ended.empty());
  // Also while it is given what there is.
  auto late = std::make_shared<heard>();
  late->unsent = 1001;
  r.put("y");
  CHECK(std::holds_alternative<watch_fan::watcher_id>(r.open(late, "")));
  CHECK(late->lines.size() == 1);
  CHECK(late->ended == "cut the watcher is too slow");
  CHECK(r.fan.watchers() == 1);
}

TEST_CASE("bookmarks name the newest revision, for those who asked for them") {
  rig r;
  auto with = r.watch("resourceVersion=10&allowWatchBookmarks=true"), without = r.watch("resourceVersion=10");
  r.put("x", "a");
  r.fan.bookmark(noon);
  CHECK(told(*with) == "ADDED:x@11 BOOKMARK:@11");
  CHECK(told(*without) == "ADDED:x@11");
}

TEST_CASE("initial events end with a bookmark that says so") {
  rig r;
  r.put("x");
  auto w = r.watch("sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan");
  CHECK(told(*w) == "ADDED:x@11 BOOKMARK:@11");
  CHECK(text_or(dig(*parse_json(w->lines[1].view()), "object", "metadata", "annotations", "k8s.io/initial-events-end")) == "true");
}

TEST_CASE("a watch that has lived long enough ends in order, one whose client is gone is forgotten") {
  rig r;
  auto lived = std::make_shared<heard>(), gone = std::make_shared<heard>();
  const auto first = std::get<watch_fan::watcher_id>(r.open(lived, "resourceVersion=10&allowWatchBookmarks=true"));
  const auto second = std::get<watch_fan::watcher_id>(r.open(gone, "resourceVersion=10"));
  r.fan.close(first, true, "time is up");
  CHECK(lived->ended == "in order time is up");
  CHECK(told(*lived) == "BOOKMARK:@10");
  r.fan.close(second, false, "the client is gone");
  CHECK(gone->ended == "cut the client is gone");
  r.fan.close(second, false, "again");
  CHECK(gone->ended == "cut the client is gone");
  CHECK(r.fan.watchers() == 0);
  r.put("x");
  CHECK(told(*gone).empty());
}
