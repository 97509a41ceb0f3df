#include <deque>
#include <set>

#include "actors/client/clients.hpp"
#include "actors/controllers/calls.hpp"
#include "actors/controllers/controllers.hpp"
#include "actors/model/schema/schema.hpp"
#include "actors/runtime/spawn.hpp"
#include "basis/log.hpp"

namespace troupe::controllers {
namespace {

constexpr duration retry_after = std::chrono::seconds(2);

/// Every collection of a namespace, pods first: they may still use the rest.
std::vector<std::string> collections(const std::string& ns) {
  std::vector<std::string> out;
  for (const auto& kind : model::schema::kinds()) {
    if (!kind.namespaced || kind.storage != kind.index || !kind.can(model::schema::verb_remove_collection)) continue;
    const std::string group = kind.group.empty() ? "/api/v1" : "/apis/" + std::string(kind.api_version);
    auto path = group + "/namespaces/" + ns + "/" + std::string(kind.plural);
    if (kind.plural == "pods") out.insert(out.begin(), std::move(path));
    else out.push_back(std::move(path));
  }
  return out;
}

class namespaces_state {
 public:
  static constexpr const char* name = "namespaces";
  explicit namespaces_state(rt::self<controller_actor> self) : self_(self) {}
  void init(const rt::world& in, client::api_actor api) {
    api_ = std::move(api);
    reflector_ = client::make_reflector(in, {"/api/v1/namespaces", ""}, api_, caf::actor_cast<client::reflected_actor>(rt::strong<controller_actor>(self_)));
  }
  ~namespaces_state() { rt::end(reflector_); }

  controller_actor::behavior_type make_behavior() {
    return {
        [this](client::object_seen& got) { see(*got.object); },
        [this](client::object_lost& got) { ending_.erase(got.key); },
        [](client::kind_synced) {},
        [this](tick_due) { work(); },
    };
  }

 private:
  void see(const json& object) {
    if (dig(object, "metadata", "deletionTimestamp").is_null()) return;
    if (ending_.insert(text_or(dig(object, "metadata", "name"))).second) work();
  }

  void work() {
    if (busy_ || ending_.empty()) return;
    busy_ = true;
    ns_ = *ending_.begin();
    const auto all = collections(ns_);
    left_.assign(all.begin(), all.end());
    clear();
  }

  void clear() {
    if (left_.empty()) return verify(collections(ns_));
    call(self_, api_, "DELETE", left_.front() + "?propagationPolicy=Background", nullptr, as_json, [this](const client::api_answer& got) {
      if (!got.ok() && got.status != 404) return later(got);
      left_.pop_front();
      clear();
    });
  }

  /// What has finalizers of its own stays for a while: the namespace waits for it.
  void verify(std::vector<std::string> rest) {
    if (rest.empty()) return finalize();
    const std::string path = rest.back() + "?limit=1";
    rest.pop_back();
    call(self_, api_, "GET", path, nullptr, as_json, [this, rest = std::move(rest)](const client::api_answer& got) {
      const auto list = parse_json(got.body);
      if (!got.ok() || !list.ok() || !dig(*list, "items").empty()) return later(got);
      verify(rest);
    });
  }

  void finalize() {
    call(self_, api_, "GET", "/api/v1/namespaces/" + ns_, nullptr, as_json, [this](const client::api_answer& got) {
      auto object = parse_json(got.body);
      if (got.status == 404) return done();
      if (!got.ok() || !object.ok()) return later(got);
      json finalizers = json::array();
      for (const auto& f : dig(*object, "spec", "finalizers"))
        if (f != "kubernetes") finalizers.push_back(f);
      (*object)["spec"]["finalizers"] = std::move(finalizers);
      call(self_, api_, "PUT", "/api/v1/namespaces/" + ns_ + "/finalize", *object, as_json, [this](const client::api_answer& put) {
        if (put.ok() || put.status == 404) return done();
        later(put);
      });
    });
  }

  void done() {
    log::info("controllers.namespace_removed", {{"namespace", ns_}});
    ending_.erase(ns_);
    busy_ = false;
    work();
  }

  void later(const client::api_answer& got) {
    if (!got.ok()) log::warn("controllers.namespace_delayed", {{"namespace", ns_}, {"status", got.status}});
    busy_ = false;
    self_->delayed_send(rt::strong<controller_actor>(self_), retry_after, tick_due{});
  }

  rt::self<controller_actor> self_;
  client::api_actor api_;
  client::watcher_actor reflector_;
  std::set<std::string> ending_;
  std::deque<std::string> left_;
  std::string ns_;
  bool busy_ = false;
};

}  // namespace

controller_actor make_namespaces(const rt::world& in, client::api_actor api) {
  return rt::spawn<controller_actor, namespaces_state>(in, "", in, std::move(api));
}

}  // namespace troupe::controllers
