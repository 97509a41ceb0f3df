#include "actors/controllers/default_roles/default_roles.hpp"

#include <map>

#include "actors/client/clients.hpp"
#include "actors/controllers/calls.hpp"
#include "actors/runtime/spawn.hpp"

namespace troupe::controllers {
namespace {

constexpr duration retry_after = std::chrono::seconds(1);
constexpr const char* base = "/apis/rbac.authorization.k8s.io/v1/";

std::string collection_of(const json& object) {
  const auto kind = text_or(dig(object, "kind"));
  return base + std::string(kind == "ClusterRole" ? "clusterroles" : "clusterrolebindings");
}
std::string name_of(const json& object) { return text_or(dig(object, "metadata", "name")); }

bool matches(const json& selector, const json& role) {
  const auto &wanted = dig(selector, "matchLabels"), &labels = dig(role, "metadata", "labels");
  if (!wanted.is_object() || !labels.is_object()) return false;
  for (const auto& [key, value] : wanted.items())
    if (!labels.contains(key) || labels.at(key) != value) return false;
  return true;
}

bool holds(const json& list, const json& one) { return list.is_array() && std::find(list.begin(), list.end(), one) != list.end(); }

/// Adds to `list` what it lacks of `wanted`; true when something was.
bool complete(json& list, const json& wanted) {
  bool changed = false;
  if (!list.is_array()) list = json::array();
  for (const auto& one : wanted)
    if (!holds(list, one)) list.push_back(one), changed = true;
  return changed;
}

class default_roles_state {
 public:
  static constexpr const char* name = "default_roles";
  explicit default_roles_state(rt::self<controller_actor> self) : self_(self) {}

  void init(const rt::world& in, client::api_actor api) {
    api_ = std::move(api);
    const auto me = caf::actor_cast<client::reflected_actor>(rt::strong<controller_actor>(self_));
    // Bindings are looked at once; roles are followed, because sums change with their parts.
    reflector_ = client::make_reflector(in, {std::string(base) + "clusterroles", ""}, api_, me);
  }
  ~default_roles_state() { rt::end(reflector_); }

  controller_actor::behavior_type make_behavior() {
    return {
        [this](client::object_seen& got) { roles_[got.key] = got.object, settle_later(); },
        [this](client::object_lost& got) { roles_.erase(got.key), settle_later(); },
        [this](client::kind_synced) {
          if (std::exchange(synced_, true)) return;
          make_all();
          settle_later();
        },
        [this](tick_due) { tick(); },
    };
  }

 private:
  void make_all() {
    for (const auto& wanted : default_roles()) {
      const bool role = text_or(dig(wanted, "kind")) == "ClusterRole";
      const auto present = roles_.find(name_of(wanted));
      if (role && present != roles_.end()) update(wanted, *present->second);
      else if (role) make(wanted);
      else look(wanted);
    }
  }
  void make(const json& wanted) {
    call(self_, api_, "POST", collection_of(wanted), wanted, as_json, [this](const client::api_answer& got) {
      if (!got.ok() && got.status != 409) again_ = true, settle_later();
    });
  }
  void look(const json& wanted) {
    call(self_, api_, "GET", collection_of(wanted) + "/" + name_of(wanted), {}, as_json, [this, wanted](const client::api_answer& got) {
      if (got.status == 404) return make(wanted);
      const auto present = parse_json(got.body);
      if (!got.ok() || !present.ok()) return again_ = true, settle_later();
      update(wanted, *present);
    });
  }
  void update(const json& wanted, const json& present) {
    const auto change = role_update(wanted, present);
    if (!change) return;
    call(self_, api_, "PUT", collection_of(wanted) + "/" + name_of(wanted), *change, as_json, [this](const client::api_answer& got) {
      if (!got.ok() && got.status != 404) again_ = true, settle_later();
    });
  }

  void settle_later() {
    if (!synced_ || std::exchange(ticking_, true)) return;
    self_->delayed_send(rt::strong<controller_actor>(self_), again_ ? retry_after : std::chrono::milliseconds(50), tick_due{});
  }
  void tick() {
    ticking_ = false;
    if (std::exchange(again_, false)) make_all();
    std::vector<const json*> all;
    for (const auto& [key, role] : roles_) all.push_back(role.get());
    for (const auto* each : all) {
      const auto& role = *each;
      if (!dig(role, "aggregationRule").is_object()) continue;
      const auto sum = sum_of_roles(role, all);
      if (sum == dig(role, "rules") || (sum.empty() && dig(role, "rules").empty())) continue;
      json changed = role;
      changed["rules"] = sum;
      call(self_, api_, "PUT", std::string(base) + "clusterroles/" + name_of(role), changed, as_json, [](const client::api_answer&) {});
    }
  }

  rt::self<controller_actor> self_;
  client::api_actor api_;
  client::watcher_actor reflector_;
  std::map<std::string, std::shared_ptr<const json>> roles_;
  bool synced_ = false, ticking_ = false, again_ = false;
};

}  // namespace

json sum_of_roles(const json& role, const std::vector<const json*>& all) {
  json out = json::array();
  for (const auto& selector : dig(role, "aggregationRule", "clusterRoleSelectors"))
    for (const auto* part : all)
      if (matches(selector, *part) && name_of(*part) != name_of(role)) complete(out, dig(*part, "rules").is_array() ? dig(*part, "rules") : json::array());
  return out;
}

std::optional<json> role_update(const json& wanted, const json& present) {
  if (text_or(dig(present, "metadata", "annotations", "rbac.authorization.kubernetes.io/autoupdate")) == "false") return std::nullopt;
  json out = present;
  bool changed = false;
  if (wanted.contains("aggregationRule")) {
    if (dig(present, "aggregationRule") != wanted["aggregationRule"]) out["aggregationRule"] = wanted["aggregationRule"], changed = true;
  } else if (wanted.contains("rules")) {
    changed = complete(out["rules"], wanted["rules"]);
  }
  if (wanted.contains("subjects")) changed = complete(out["subjects"], wanted["subjects"]) || changed;
  for (const char* part : {"labels", "annotations"})
    for (const auto& [key, value] : wanted["metadata"][part].items())
      if (dig(out, "metadata", part, key) != value) out["metadata"][part][key] = value, changed = true;
  if (!changed) return std::nullopt;
  return out;
}

controller_actor make_default_roles(const rt::world& in, client::api_actor api) {
  return rt::spawn<controller_actor, default_roles_state>(in, "", in, std::move(api));
}

}  // namespace troupe::controllers
