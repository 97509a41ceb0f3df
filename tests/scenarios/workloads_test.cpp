// Deployments by seed: one server with its scheduler and controllers, many nodes whose kubelet is three lines, people who
// scale, roll, delete and make anew; nodes go and come, the server dies in the middle of it. Invariants: a pod is bound once;
// no deployment ever has more active pods than its surge allows; once people rest, every deployment is complete, nothing is
// left of those that were deleted, and no pod is on a node that is not there.
//
//   TROUPE_SEED=n     runs that one seed;  TROUPE_SEEDS=n  as many (default 8)
//   TROUPE_NODES=n    TROUPE_PODS=n        the size (default 12 nodes, 60 pods; the plan's is 100 and 3000)
#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>

#include "actors/client/clients.hpp"
#include "actors/runtime/spawn.hpp"
#include "tests/harness/cluster.hpp"

namespace troupe::scenario {
struct act_due { std::string key; };
struct renew_due {};
using kubelets_actor = rt::handle<void(client::object_seen), void(client::object_lost), void(client::kind_synced), void(act_due), void(renew_due)>;
}  // namespace troupe::scenario
RT_MESSAGE(troupe::scenario::act_due)
RT_MESSAGE(troupe::scenario::renew_due)

namespace troupe::scenario {
namespace {

using harness::cluster;

unsigned long option(const char* name, unsigned long otherwise) {
  const char* text = std::getenv(name);
  return text ? std::strtoul(text, nullptr, 10) : otherwise;
}

/// What is watched from outside, over all lives of the server.
struct watched {
  std::map<std::string, std::string> node_of;             ///< uid to node.
  std::map<std::string, std::shared_ptr<const json>> pods;
  std::set<std::string> nodes;                            ///< Those whose kubelet lives.
  std::map<std::string, std::int64_t> most;               ///< By deployment: active pods at most, from when on it is the limit.
  std::string broken;

  void see(const json& pod) {
    const auto uid = text_or(dig(pod, "metadata", "uid")), node = text_or(dig(pod, "spec", "nodeName"));
    auto& known = node_of[uid];
    if (!known.empty() && node != known) broken = "pod " + uid + " was on " + known + " and is on " + node;
    if (!node.empty()) known = node;
  }
  /// A template is never run by more pods than are wanted and the surge: surely too many whatever a rollout is at.
  void count(const std::string& app) {
    const auto limit = most.find(app);
    if (limit == most.end() || !broken.empty()) return;
    std::int64_t active = 0;
    for (const auto& [key, pod] : pods)
      active += dig(*pod, "metadata", "labels", "app") == app && dig(*pod, "metadata", "deletionTimestamp").is_null() &&
                        dig(*pod, "status", "phase") != "Failed" ? 1 : 0;   // of a node that is gone: on its way out
    if (active > limit->second) broken = app + " has " + std::to_string(active) + " active pods, at most " + std::to_string(limit->second) + " may be";
  }
};

/// All kubelets in one: runs what is bound to its nodes, removes what goes, renews leases.
class kubelets_state {
 public:
  static constexpr const char* name = "kubelets";
  explicit kubelets_state(rt::self<kubelets_actor> self) : self_(self) {}
  ~kubelets_state() { rt::end(reflector_), rt::end(api_); }
  void init(const rt::world& in, client::api_actor gate, watched* seen, rng dice) {
    seen_ = seen;
    dice_ = dice;
    wall_ = in.wall;
    api_ = client::make_local(in, std::move(gate), "kubelets", {"system:masters"});
    reflector_ = client::make_reflector(in, {"/api/v1/pods", ""}, api_, caf::actor_cast<client::reflected_actor>(rt::strong<kubelets_actor>(self_)));
    seen_->pods.clear();
    self_->send(rt::strong<kubelets_actor>(self_), renew_due{});
  }
  kubelets_actor::behavior_type make_behavior() {
    return {
        [this](client::object_seen& got) {
          seen_->see(*got.object);
          seen_->pods[got.key] = got.object;
          if (synced_) seen_->count(text_or(dig(*got.object, "metadata", "labels", "app")));
          self_->delayed_send(rt::strong<kubelets_actor>(self_), std::chrono::milliseconds(20 + dice_.below(1500)), act_due{got.key});
        },
        [this](client::object_lost& got) { seen_->pods.erase(got.key); },
        [this](client::kind_synced) { synced_ = true; },
        [this](act_due& what) { act(what.key); },
        [this](renew_due) { renew(); },
    };
  }

 private:
  void call(std::string method, std::string path, const json& body, const char* type) {
    self_->request(api_, caf::infinite, client::api_call{std::move(method), std::move(path), to_text(body), type, "", {}})
        .then([](const client::api_answer&) {}, [](caf::error&) {});
  }
  void act(const std::string& key) {
    const auto found = seen_->pods.find(key);
    if (found == seen_->pods.end()) return;
    const auto& pod = *found->second;
    if (!seen_->nodes.contains(text_or(dig(pod, "spec", "nodeName")))) return;
    const auto path = "/api/v1/namespaces/default/pods/" + key.substr(key.find('/') + 1);
    if (dig(pod, "metadata", "deletionTimestamp").is_string())
      return call("DELETE", path, {{"kind", "DeleteOptions"}, {"apiVersion", "v1"}, {"gracePeriodSeconds", 0}, {"preconditions", {{"uid", dig(pod, "metadata", "uid")}}}}, "application/json");
    if (dig(pod, "status", "phase") != "Pending") return;
    const json ready{{"type", "Ready"}, {"status", "True"}, {"lastTransitionTime", to_rfc3339(wall_->now())}};
    call("PATCH", path + "/status", {{"metadata", {{"uid", dig(pod, "metadata", "uid")}}}, {"status", {{"phase", "Running"}, {"conditions", json::array({ready})}}}},
         "application/strategic-merge-patch+json");
  }
  void renew() {
    for (const auto& node : seen_->nodes)
      call("PATCH", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/" + node, {{"spec", {{"renewTime", to_rfc3339_micro(wall_->now())}}}}, "application/merge-patch+json");
    self_->delayed_send(rt::strong<kubelets_actor>(self_), std::chrono::seconds(10), renew_due{});
  }

  rt::self<kubelets_actor> self_;
  watched* seen_ = nullptr;
  const wall_clock* wall_ = nullptr;
  client::api_actor api_;
  client::watcher_actor reflector_;
  rng dice_{0};
  bool synced_ = false;
};

class play {
 public:
  explicit play(std::uint64_t seed) : c(seed), dice_(c.dice().fork("people")) { c.add_server("server", cluster::server_address); }

  std::string go() {
    if (!begin()) return "the server does not get ready";
    seen.nodes.insert("server");   // its own kubelet has no runtime here
    const auto nodes = option("TROUPE_NODES", 12), pods = option("TROUPE_PODS", 60);
    for (unsigned long i = 0; i < nodes; ++i) add_node("n" + std::to_string(i));
    const std::size_t apps = 5;
    for (std::size_t i = 0; i < apps; ++i) make(app(i), static_cast<std::int64_t>(pods / apps));
    for (int i = 0; i < 12 && seen.broken.empty(); ++i) {
      c.run().run_for(std::chrono::milliseconds(300 + dice_.below(6000)));
      trouble(app(dice_.below(apps)));
    }
    heal();
    for (int i = 0; i < 120 && seen.broken.empty(); ++i) {
      c.run().run_for(std::chrono::seconds(5));
      if (i > 10 && incomplete().empty()) break;
    }
    if (!seen.broken.empty()) return seen.broken;
    return incomplete();
  }

  cluster c;
  watched seen;

 private:
  static std::string app(std::size_t i) { return "app" + std::to_string(i); }
  static std::string path(const std::string& name) { return "/apis/apps/v1/namespaces/default/deployments" + (name.empty() ? "" : "/" + name); }

  bool begin() {
    c.start("server");
    if (!c.run().run_until([&] { return c["server"].ready; }, std::chrono::minutes(2))) return false;
    const auto& p = c["server"];
    rt::spawn<kubelets_actor, kubelets_state>(*p.world, "", *p.world, c.api("server"), &seen, dice_.fork("kubelets" + std::to_string(p.starts)));
    return true;
  }

  client::api_answer ask(std::string method, std::string where, const json& body, const char* type = "application/json") {
    auto out = std::make_shared<std::optional<client::api_answer>>();
    c.call("server", {std::move(method), where, body.is_null() ? "" : to_text(body), type, "", {}},
           [out](const client::api_answer* got) { *out = got ? *got : client::api_answer{0, "no answer"}; });
    c.run().run_until([&] { return out->has_value(); }, std::chrono::seconds(20));
    return out->value_or(client::api_answer{0, "no answer in time"});
  }

  void add_node(const std::string& name) {
    const json lease{{"metadata", {{"name", name}}}, {"spec", {{"holderIdentity", name}, {"leaseDurationSeconds", 40}}}};
    ask("POST", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases", lease);
    ask("POST", "/api/v1/nodes", {{"metadata", {{"name", name}, {"labels", {{"kubernetes.io/hostname", name}}}}},
                                  {"status", {{"allocatable", {{"cpu", "16"}, {"memory", "64Gi"}, {"pods", "110"}}},
                                              {"conditions", json::array({{{"type", "Ready"}, {"status", "True"}}})}}}});
    seen.nodes.insert(name);
  }

  void make(const std::string& name, std::int64_t replicas) {
    wanted_[name] = replicas;
    limit(name, replicas);
    const json labels{{"app", name}};
    const auto got = ask("POST", path(""), {{"metadata", {{"name", name}}}, {"spec", {{"replicas", replicas}, {"selector", {{"matchLabels", labels}}},
        {"strategy", {{"rollingUpdate", {{"maxSurge", 2}, {"maxUnavailable", 1}}}}},
        {"template", {{"metadata", {{"labels", labels}}}, {"spec", {{"containers", json::array({{{"name", "c"}, {"image", "one"}}})}}}}}}}});
    if (!got.ok() && got.status != 409) seen.broken = "cannot make " + name + ": " + got.body;
  }
  /// How many there may be at most, from the largest number that was wanted since the last rest.
  void limit(const std::string& name, std::int64_t replicas) {
    auto& most = seen.most[name];
    most = std::max(most, replicas + 2);
  }

  void trouble(const std::string& name) {
    const auto what = dice_.below(100);
    if (what < 30) {
      const auto replicas = static_cast<std::int64_t>(dice_.below(2 * option("TROUPE_PODS", 60) / 5));
      limit(name, replicas);
      if (ask("PATCH", path(name), {{"spec", {{"replicas", replicas}}}}, "application/merge-patch+json").ok()) wanted_[name] = replicas;
    } else if (what < 60) {
      const json patch = json::array({{{"op", "replace"}, {"path", "/spec/template/spec/containers/0/image"}, {"value", "i" + std::to_string(dice_.below(4))}}});
      ask("PATCH", path(name), patch, "application/json-patch+json");
    } else if (what < 70) {
      // What is made anew under its name may stand beside what is left of the old one.
      seen.most[name] += wanted_[name] + 2 + static_cast<std::int64_t>(option("TROUPE_PODS", 60));
      ask("DELETE", path(name), nullptr);
      make(name, wanted_[name]);
    } else if (what < 85) {
      c.crash("server");
      c.run().run_for(std::chrono::milliseconds(dice_.below(3000)));
      if (!begin()) seen.broken = "the server does not come back";
    } else if (seen.nodes.size() > 3) {
      const auto gone = *std::next(seen.nodes.begin(), static_cast<std::ptrdiff_t>(dice_.below(seen.nodes.size())));
      if (gone == "server") return;
      seen.nodes.erase(gone);
      ask("DELETE", "/api/v1/nodes/" + gone, nullptr);
    }
  }

  void heal() {
    if (!c["server"].running && !begin()) seen.broken = "the server does not come back";
  }

  /// "" when everything is as people want it.
  std::string incomplete() {
    const auto got = parse_json(ask("GET", path(""), nullptr).body);
    if (!got.ok()) return "deployments cannot be listed";
    for (const auto& each : dig(*got, "items")) {
      const auto name = text_or(dig(each, "metadata", "name"));
      for (auto count : {"replicas", "updatedReplicas", "availableReplicas"}) {
        const auto& value = dig(each, "status", count);
        if ((value.is_number_integer() ? value.get<std::int64_t>() : 0) != wanted_[name]) return name + " wants " + std::to_string(wanted_[name]) + ": " + to_text(dig(each, "status")) + idle();
      }
    }
    std::map<std::string, std::int64_t> there;
    for (const auto& [key, pod] : seen.pods) {
      if (!seen.nodes.contains(text_or(dig(*pod, "spec", "nodeName")))) return key + " is on no node that lives";
      ++there[text_or(dig(*pod, "metadata", "labels", "app"))];
    }
    for (const auto& [name, replicas] : wanted_)
      if (there[name] != replicas) return name + " has " + std::to_string(there[name]) + " pods and wants " + std::to_string(replicas);
    return {};
  }

  /// The pods that do not run, for who reads a failure.
  std::string idle() const {
    std::string out;
    for (const auto& [key, pod] : seen.pods)
      if (dig(*pod, "status", "phase") != "Running") out += "\n  " + key + " on " + to_text(dig(*pod, "spec", "nodeName")) + ": " + to_text(dig(*pod, "status"));
    return out;
  }

  rng dice_;
  std::map<std::string, std::int64_t> wanted_;
};

}  // namespace

TEST_CASE("deployments come to what is wanted, whoever dies in between") {
  const auto only = option("TROUPE_SEED", 0), count = option("TROUPE_SEEDS", 8);
  for (std::uint64_t seed = only ? only : 1; seed <= (only ? only : count); ++seed) {
    play one(seed);
    const auto broken = one.go();
    CHECK_MESSAGE(broken.empty(), "TROUPE_SEED=" << seed << ": " << broken);
    if (!broken.empty()) break;
  }
}

}  // namespace troupe::scenario
