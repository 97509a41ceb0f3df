#include <deque>

#include "actors/controllers/calls.hpp"
#include "actors/controllers/controllers.hpp"
#include "actors/runtime/spawn.hpp"
#include "basis/log.hpp"

namespace troupe::controllers {
namespace {

/// Something that shall exist. `compare` names the member that must be equal, or is empty: being there is enough.
struct wanted {
  std::string collection, name;
  json object;
  std::string compare;
  bool may_fail = false;   ///< Refused, it is left out, with a line in the log.
};

std::vector<wanted> all_wanted(const basics_config& config) {
  std::vector<wanted> out;
  for (const char* ns : {"default", "kube-system", "kube-public", "kube-node-lease"})
    out.push_back({"/api/v1/namespaces", ns, {{"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", {{"name", ns}}}}, ""});
  const json labels{{"component", "apiserver"}, {"provider", "kubernetes"}};
  out.push_back({"/api/v1/namespaces/default/services", "kubernetes",
                 {{"apiVersion", "v1"}, {"kind", "Service"}, {"metadata", {{"name", "kubernetes"}, {"namespace", "default"}, {"labels", labels}}},
                  {"spec", {{"clusterIP", config.service_address}, {"type", "ClusterIP"},
                            {"ports", json::array({{{"name", "https"}, {"port", 443}, {"protocol", "TCP"}, {"targetPort", config.advertised.port}}})}}}}, ""});
  const json port{{"name", "https"}, {"port", config.advertised.port}, {"protocol", "TCP"}};
  out.push_back({"/api/v1/namespaces/default/endpoints", "kubernetes",
                 {{"apiVersion", "v1"}, {"kind", "Endpoints"},
                  {"metadata", {{"name", "kubernetes"}, {"namespace", "default"}, {"labels", {{"endpointslice.kubernetes.io/skip-mirror", "true"}}}}},
                  {"subsets", json::array({{{"addresses", json::array({{{"ip", config.advertised.host}}})}, {"ports", json::array({port})}}})}}, "subsets"});
  out.push_back({"/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", "kubernetes",
                 {{"apiVersion", "discovery.k8s.io/v1"}, {"kind", "EndpointSlice"},
                  {"metadata", {{"name", "kubernetes"}, {"namespace", "default"}, {"labels", {{"kubernetes.io/service-name", "kubernetes"}}}}},
                  {"addressType", config.advertised.host.find(':') == std::string::npos ? "IPv4" : "IPv6"},
                  {"endpoints", json::array({{{"addresses", json::array({config.advertised.host})}, {"conditions", {{"ready", true}}}}})},
                  {"ports", json::array({port})}}, "endpoints"});
  const auto priority = [&out](const char* name, std::int64_t value, const char* meaning) {
    out.push_back({"/apis/scheduling.k8s.io/v1/priorityclasses", name,
                   {{"apiVersion", "scheduling.k8s.io/v1"}, {"kind", "PriorityClass"}, {"metadata", {{"name", name}}}, {"value", value}, {"description", meaning}}, "", true});
  };
  priority("system-node-critical", 2'000'001'000, "Used for system critical pods that must not be moved from their current node.");
  priority("system-cluster-critical", 2'000'000'000, "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.");
  if (!config.dns_address.empty()) {
    const json names{{"k8s-app", "kube-dns"}, {"kubernetes.io/cluster-service", "true"}, {"kubernetes.io/name", "CoreDNS"}, {"troupe.io/dns-on-each-node", "true"}};
    const auto dns_port = [](const char* name, const char* protocol) { return json{{"name", name}, {"port", 53}, {"protocol", protocol}, {"targetPort", 53}}; };
    out.push_back({"/api/v1/namespaces/kube-system/services", "kube-dns",
                   {{"apiVersion", "v1"}, {"kind", "Service"}, {"metadata", {{"name", "kube-dns"}, {"namespace", "kube-system"}, {"labels", names}}},
                    {"spec", {{"clusterIP", config.dns_address}, {"type", "ClusterIP"}, {"ports", json::array({dns_port("dns", "UDP"), dns_port("dns-tcp", "TCP")})}}}}, "", true});
  }
  // With several servers these are there from the first one on, and server_list keeps them.
  if (config.shared)
    for (auto& w : out)
      if (w.name == "kubernetes") w.compare.clear();
  return out;
}

class basics_state {
 public:
  static constexpr const char* name = "basics";
  explicit basics_state(rt::self<controller_actor> self) : self_(self) {}
  void init(basics_config config, client::api_actor api, std::function<void()> done) {
    config_ = std::move(config);
    api_ = std::move(api);
    done_ = std::move(done);
    self_->send(rt::strong<controller_actor>(self_), tick_due{});
  }
  controller_actor::behavior_type make_behavior() {
    return {
        [](client::object_seen&) {}, [](client::object_lost&) {}, [](client::kind_synced) {},
        [this](tick_due) { start(); },
    };
  }

 private:
  void start() {
    const auto all = all_wanted(config_);
    left_.assign(all.begin(), all.end());
    next();
  }

  void next() {
    if (left_.empty()) {
      if (auto done = std::exchange(done_, nullptr)) done();
      return again(config_.every);
    }
    const auto& w = left_.front();
    call(self_, api_, "GET", w.collection + "/" + w.name, nullptr, as_json, [this](const client::api_answer& got) { look(got); });
  }

  void look(const client::api_answer& got) {
    const auto& w = left_.front();
    if (got.ok()) {
      const auto present = parse_json(got.body);
      if (w.compare.empty() || (present.ok() && dig(*present, w.compare) == w.object.at(w.compare))) return settled();
      return call(self_, api_, "PATCH", w.collection + "/" + w.name, json{{w.compare, w.object.at(w.compare)}}, as_merge,
                  [this](const client::api_answer& patched) { patched.ok() ? settled() : failed(patched); });
    }
    if (got.status != 404) return failed(got);
    call(self_, api_, "POST", w.collection, w.object, as_json,
         [this](const client::api_answer& made) {
      if (made.ok() || made.status == 409) return settled();
      // Somebody has its address: that is no reason to serve nothing at all.
      if (!left_.front().may_fail || made.status != 422) return failed(made);
      log::warn("controllers.basics_left_out", {{"object", left_.front().collection + "/" + left_.front().name}, {"why", made.body.substr(0, 300)}});
      settled();
    });
  }

  void settled() {
    left_.pop_front();
    next();
  }
  void failed(const client::api_answer& got) {
    log::warn("controllers.basics_delayed", {{"object", left_.front().collection + "/" + left_.front().name}, {"status", got.status}, {"why", got.body.substr(0, 300)}});
    again(std::chrono::milliseconds(500));
  }
  void again(duration after) { self_->delayed_send(rt::strong<controller_actor>(self_), after, tick_due{}); }

  rt::self<controller_actor> self_;
  basics_config config_;
  client::api_actor api_;
  std::function<void()> done_;
  std::deque<wanted> left_;
};

}  // namespace

controller_actor make_basics(const rt::world& in, basics_config config, client::api_actor api, std::function<void()> done) {
  return rt::spawn<controller_actor, basics_state>(in, "", std::move(config), std::move(api), std::move(done));
}

}  // namespace troupe::controllers
