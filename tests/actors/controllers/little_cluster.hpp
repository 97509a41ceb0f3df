// A cluster small enough for a table test: the API's own rules over a map, the controllers' own decisions, a kubelet of three
// lines. Everything happens at once and in order; time moves when the test says so.
#pragma once
#include <doctest/doctest.h>

#include <deque>
#include <set>

#include "actors/apiserver/resources/rules/subresources/subresources.hpp"
#include "actors/controllers/workshop/duties.hpp"
#include "actors/controllers/workshop/pods.hpp"
#include "basis/rng.hpp"

namespace troupe::testing {

using namespace troupe::controllers;

class little_cluster {
 public:
  explicit little_cluster(std::uint64_t seed = 1) : dice(seed) {}
  store all;
  wall_time now = *parse_rfc3339("2026-11-22T07:00:00Z");
  rng dice;
  std::vector<std::string> said;               ///< "reason: message" of events.
  std::function<void()> on_change = [] {};

  json make(const std::string& plural, json object, const std::string& ns = "d") {
    const auto& kind = kind_of(plural);
    auto made = apiserver::prepare_create(kind, std::move(object), context(kind, kind.namespaced ? ns : ""));
    if (auto* bad = std::get_if<apiserver::api_error>(&made)) FAIL(bad->message);
    return keep(plural, std::get<json>(made));
  }
  void change(const std::string& plural, const std::string& key, const std::string& sub, const std::string& type, const json& patch) {
    const auto old = all.find(plural, key);
    REQUIRE_MESSAGE(old, plural << " " << key);
    const auto& kind = kind_of(plural);
    auto ctx = context(kind, meta(*old, "namespace"));
    ctx.name = meta(*old, "name");
    auto wanted = type == "PUT" ? apiserver::prepared{patch, false, false, {}} : std::get<apiserver::prepared>(apiserver::apply_patch(kind, type, *old, to_text(patch), ctx));
    auto next = apiserver::prepare_update(kind, *old, wanted.object, sub, ctx);
    if (auto* bad = std::get_if<apiserver::api_error>(&next)) FAIL(bad->message);
    auto& got = std::get<apiserver::prepared>(next);
    if (got.erase) return erase(plural, key);
    if (!got.unchanged) keep(plural, got.object);
  }
  void remove(const std::string& plural, const std::string& key, const json& options) {
    const auto old = all.find(plural, key);
    if (!old) return;
    const auto plan = apiserver::plan_delete(kind_of(plural), *old, options, context(kind_of(plural), meta(*old, "namespace")));
    if (std::holds_alternative<apiserver::erase_now>(plan)) return erase(plural, key);
    if (const auto* first = std::get_if<apiserver::update_first>(&plan)) keep(plural, first->object);
  }
  /// Decides and does until nobody wants anything any more.
  void settle() {
    for (int i = 0; i < 20000 && !queue_.empty(); ++i) {
      const auto what = queue_.front();
      queue_.pop_front();
      queued_.erase(what);
      const auto todo = decide(all, what, {now, ""});
      for (const auto& stage : todo.stages) {
        bool go_on = true;
        for (const auto& each : stage) go_on = carry(each) && go_on;
        if (!go_on) break;
      }
      if (!todo.stages.empty()) add(what);
    }
    CHECK_MESSAGE(queue_.empty(), "they never come to an end");
  }
  void pass(duration time) {
    now += time;
    for (auto plural : {"deployments", "replicasets", "jobs", "pods", "daemonsets"})
      for (const auto& [key, object] : all.all(plural))
        for (const auto& each : concerned(all, plural, key, *object, false)) add(each);
    settle();
  }
  /// Pods that wait run and are ready; those that go are gone.
  void run_pods() {
    auto copy = all.all("pods");
    for (const auto& [key, pod] : copy) {
      if (is_going(*pod)) end_pod(key);
      else if (text_or(dig(*pod, "status", "phase")) == "Pending") tell(key, "Running", "True");
    }
  }
  /// As a kubelet does: says how it ended, and lets go of it.
  void end_pod(const std::string& key) {
    const auto phase = text_or(dig(*all.find("pods", key), "status", "phase"));
    if (phase != "Succeeded" && phase != "Failed") tell(key, "Failed", "False");
    if (all.find("pods", key)) remove("pods", key, {{"gracePeriodSeconds", 0}});
  }
  void tell(const std::string& key, const char* phase, const char* ready) {
    json status = dig(*all.find("pods", key), "status");
    status["phase"] = phase;
    status["conditions"] = json::array({{{"type", "Ready"}, {"status", ready}, {"lastTransitionTime", to_rfc3339(now)}}});
    change("pods", key, "status", "application/merge-patch+json", {{"status", status}});
  }
  /// Settles and lets pods run, so many times.
  void live(int rounds = 12) {
    for (int i = 0; i < rounds; ++i) settle(), run_pods();
    settle();
  }
  std::size_t count(const std::string& plural, const std::string& prefix = "") const {
    std::size_t n = 0;
    for (const auto& [key, object] : all.all(plural)) n += key.starts_with("d/" + prefix) ? 1 : 0;
    return n;
  }

 private:
  static const apiserver::schema::kind& kind_of(const std::string& plural) {
    for (const auto& kind : apiserver::schema::kinds())
      if (kind.plural == plural && kind.storage == kind.index) return kind;
    FAIL("no kind " << plural);
    return apiserver::schema::kinds()[0];
  }
  apiserver::write_context context(const apiserver::schema::kind& kind, const std::string& ns) {
    apiserver::write_context out;
    out.now = now;
    out.garbage_collector = true;
    out.ns = kind.namespaced ? ns : "";
    out.uid = "u-" + std::to_string(++numbers_);
    for (int i = 0; i < 5; ++i) out.name_suffix.push_back(apiserver::generate_name_alphabet[dice.below(27)]);
    return out;
  }
  void add(const duty& what) {
    if (queued_.insert(what).second) queue_.push_back(what);
  }
  json keep(const std::string& plural, json object) {
    object["metadata"]["resourceVersion"] = std::to_string(++version_);
    const auto key = key_of(object);
    const auto before = all.find(plural, key);
    all.put(plural, key, std::make_shared<const json>(object));
    if (before)
      for (const auto& each : concerned(all, plural, key, *before, false)) add(each);
    for (const auto& each : concerned(all, plural, key, object, false)) add(each);
    on_change();
    return object;
  }
  void erase(const std::string& plural, const std::string& key) {
    const auto gone = all.drop(plural, key, uid_of(*all.find(plural, key)), true);
    for (const auto& each : concerned(all, plural, key, *gone, true)) add(each);
    on_change();
  }
  bool carry(const step& what) {
    if (what.must_be_absent) return what.absent_uid.empty() || !all.find_uid(what.absent_uid);
    std::string name;
    if (what.method == "POST") name = meta(make(what.plural, what.body, "d"), "name");
    else if (what.method == "DELETE") remove(what.plural, key_of(*what.gone), what.body);
    else if (what.method == "PATCH" || what.method == "PUT") {
      const bool status = what.path.ends_with("/status");
      const auto path = status ? what.path.substr(0, what.path.rfind('/')) : what.path;
      const auto called = path.substr(path.rfind('/') + 1);
      const auto key = path.find("/namespaces/") == std::string::npos ? called : "d/" + called;
      if (!all.find(what.plural, key)) return what.may_be_gone;
      if (what.method == "PUT" && meta(*all.find(what.plural, key), "resourceVersion") != meta(what.body, "resourceVersion")) return false;
      change(what.plural, key, status ? "status" : "", what.method == "PUT" ? "PUT" : what.type, what.body);
    }
    if (what.about && !what.done.reason.empty()) said.push_back(what.done.reason + ": " + what.done.message);
    return true;
  }
  std::deque<duty> queue_;
  std::set<duty> queued_;
  std::uint64_t version_ = 10, numbers_ = 0;
};

}  // namespace troupe::testing
