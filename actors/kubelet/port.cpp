#include <algorithm>

#include "actors/apiserver/respond.hpp"
#include "actors/kubelet/kubelet.hpp"
#include "actors/runtime/spawn.hpp"

namespace troupe::kubelet {
namespace {

class port_state {
 public:
  static constexpr const char* name = "port";
  explicit port_state(rt::self<front::handler_actor>) {}
  void init(const rt::world& in, node_name node) {
    world_ = &in;
    node_ = std::move(node);
    since_ = in.shard->now();
  }
  front::handler_actor::behavior_type make_behavior() {
    return {[this](front::request_arrived& got) { arrive(*got.ask, *got.answer); }};
  }

 private:
  void arrive(const net::http::request& ask, net::http::exchange& to) {
    ++requests_;
    if (!ask.peer.verified) return apiserver::respond_error(to, apiserver::unauthorized());
    const auto& groups = ask.peer.organizations;
    if (std::find(groups.begin(), groups.end(), "system:masters") == groups.end())
      return apiserver::respond_error(to, apiserver::forbidden_path(ask.peer.common_name, "get", ask.path));
    if (ask.path == "/healthz") return apiserver::respond_text(to, 200, "ok");
    if (ask.path == "/pods") return apiserver::respond_body(to, 200, "application/json", R"({"kind":"PodList","apiVersion":"v1","metadata":{},"items":[]})" "\n");
    if (ask.path == "/metrics") return apiserver::respond_body(to, 200, "text/plain; version=0.0.4; charset=utf-8", metrics());
    apiserver::respond_error(to, apiserver::no_such_path());
  }

  std::string metrics() const {
    const auto up = std::chrono::duration<double>(world_->shard->now() - since_).count();
    return "# HELP kubelet_node_name The node's name. The count is always 1.\n# TYPE kubelet_node_name gauge\n"
           "kubelet_node_name{node=\"" + node_.text + "\"} 1\n"
           "# HELP kubelet_running_pods Number of pods that have a running sandbox.\n# TYPE kubelet_running_pods gauge\nkubelet_running_pods 0\n"
           "# HELP kubelet_http_requests_total Requests to the kubelet's port.\n# TYPE kubelet_http_requests_total counter\n"
           "kubelet_http_requests_total " + std::to_string(requests_) + "\n"
           "# HELP troupe_kubelet_uptime_seconds Seconds since the port opened.\n# TYPE troupe_kubelet_uptime_seconds gauge\n"
           "troupe_kubelet_uptime_seconds " + std::to_string(up) + "\n";
  }

  const rt::world* world_ = nullptr;
  node_name node_;
  mono_time since_{};
  std::uint64_t requests_ = 0;
};

}  // namespace

front::handler_actor make_port(const rt::world& in, node_name node) {
  return rt::spawn_pinned<front::handler_actor, port_state>(in, "", in, std::move(node));
}

}  // namespace troupe::kubelet
