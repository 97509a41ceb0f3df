#include "actors/controllers/accounts/accounts.hpp"

#include <set>

#include "actors/client/clients.hpp"
#include "actors/controllers/calls.hpp"
#include "actors/runtime/spawn.hpp"
#include "basis/log.hpp"

namespace troupe::controllers {
namespace {

constexpr const char* account_name = "default";
constexpr const char* trust_name = "kube-root-ca.crt";
constexpr duration retry_after = std::chrono::seconds(1);

class accounts_state {
 public:
  static constexpr const char* name = "accounts";
  explicit accounts_state(rt::self<controller_actor> self) : self_(self) {}

  void init(const rt::world& in, client::api_actor api, std::string trust) {
    api_ = std::move(api);
    trust_ = std::move(trust);
    const auto me = caf::actor_cast<client::reflected_actor>(rt::strong<controller_actor>(self_));
    const auto named = [](const char* what) { return std::string("fieldSelector=metadata.name%3D") + what; };
    reflectors_ = {client::make_reflector(in, {"/api/v1/namespaces", ""}, api_, me),
                   client::make_reflector(in, {"/api/v1/serviceaccounts", named(account_name)}, api_, me),
                   client::make_reflector(in, {"/api/v1/configmaps", named(trust_name)}, api_, me)};
  }
  ~accounts_state() {
    for (const auto& one : reflectors_) rt::end(one);
  }

  controller_actor::behavior_type make_behavior() {
    return {
        [this](client::object_seen& got) { see(got.key, *got.object); },
        [this](client::object_lost& got) { lose(got.key); },
        [this](client::kind_synced) { if (++synced_ >= reflectors_.size()) settle(); },
        [this](tick_due) { ticking_ = false, settle(); },
    };
  }

 private:
  void see(const std::string& key, const json& object) {
    const auto slash = key.find('/');
    if (slash == std::string::npos) {
      const bool active = text_or(dig(object, "status", "phase")) != "Terminating" && dig(object, "metadata", "deletionTimestamp").is_null();
      if (active) active_.insert(key);
      else active_.erase(key);
      return settle_one(key);
    }
    const auto ns = key.substr(0, slash);
    if (key.compare(slash + 1, std::string::npos, account_name) == 0) have_account_.insert(ns);
    else if (text_or(dig(object, "data", "ca.crt")) == trust_) have_trust_.insert(ns);
    else have_trust_.erase(ns), restore(ns);
  }
  void lose(const std::string& key) {
    const auto slash = key.find('/');
    if (slash == std::string::npos) return void(active_.erase(key));
    const auto ns = key.substr(0, slash);
    if (key.compare(slash + 1, std::string::npos, account_name) == 0) have_account_.erase(ns);
    else have_trust_.erase(ns);
    settle_one(ns);
  }

  /// Only once everything there is has been seen: else each start would ask for what is there.
  void settle() {
    for (const auto& ns : active_) settle_one(ns);
  }
  void settle_one(const std::string& ns) {
    if (synced_ < reflectors_.size() || !active_.contains(ns)) return;
    const auto path = "/api/v1/namespaces/" + ns;
    if (!have_account_.contains(ns)) make(path + "/serviceaccounts", {{"apiVersion", "v1"}, {"kind", "ServiceAccount"}, {"metadata", {{"name", account_name}}}});
    if (!have_trust_.contains(ns)) make(path + "/configmaps", trust_map());
  }
  json trust_map() const {
    return {{"apiVersion", "v1"}, {"kind", "ConfigMap"},
            {"metadata", {{"name", trust_name}, {"annotations", {{"kubernetes.io/description",
              "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or "
              "kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters."}}}}},
            {"data", {{"ca.crt", trust_}}}};
  }
  void make(const std::string& path, const json& object) {
    call(self_, api_, "POST", path, object, as_json, [this](const client::api_answer& got) {
      // There already: nothing to do. A namespace that we know and whoever keeps accounts does not (404) may be too new for him, or
      // going (403): asked again as long as it is active for us.
      if (!got.ok() && got.status != 409) try_again();
    });
  }
  void restore(const std::string& ns) {
    call(self_, api_, "PUT", "/api/v1/namespaces/" + ns + "/configmaps/" + trust_name, trust_map(), as_json, [this](const client::api_answer& got) {
      if (!got.ok()) try_again();
    });
  }
  void try_again() {
    if (std::exchange(ticking_, true)) return;
    self_->delayed_send(rt::strong<controller_actor>(self_), retry_after, tick_due{});
  }

  rt::self<controller_actor> self_;
  client::api_actor api_;
  std::string trust_;
  std::vector<client::watcher_actor> reflectors_;
  std::set<std::string> active_, have_account_, have_trust_;
  std::size_t synced_ = 0;
  bool ticking_ = false;
};

}  // namespace

controller_actor make_accounts(const rt::world& in, client::api_actor api, std::string trust) {
  return rt::spawn<controller_actor, accounts_state>(in, "", in, std::move(api), std::move(trust));
}

}  // namespace troupe::controllers
