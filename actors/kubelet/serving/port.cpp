#include <algorithm>

#include "actors/apiserver/respond.hpp"
#include "actors/kubelet/kubelet.hpp"
#include "actors/kubelet/serving/log_stream.hpp"
#include "actors/kubelet/serving/pod_streams.hpp"
#include "actors/runtime/errors.hpp"
#include "actors/runtime/spawn.hpp"

namespace troupe::kubelet {
namespace {

class port_state {
 public:
  static constexpr const char* name = "port";
  explicit port_state(rt::self<port_actor> self) : self_(self) {}
  void init(const rt::world& in, node_name node) {
    world_ = &in;
    node_ = std::move(node);
    since_ = in.shard->now();
  }
  port_actor::behavior_type make_behavior() {
    return {[this](front::request_arrived& got) { arrive(got.ask, got.answer); },
            [this](use_pods& now) { pods_ = std::move(now.pods); }};
  }

 private:
  using exchange_ptr = net::http::exchange_ptr;
  using request_ptr = std::shared_ptr<net::http::request>;

  void arrive(const request_ptr& ask, const exchange_ptr& to) {
    ++requests_;
    if (!ask->peer.verified) return apiserver::respond_error(*to, apiserver::unauthorized());
    const auto& groups = ask->peer.organizations;
    if (std::find(groups.begin(), groups.end(), "system:masters") == groups.end())
      return apiserver::respond_error(*to, apiserver::forbidden_path(ask->peer.common_name, "get", ask->path));
    if (ask->path == "/healthz") return apiserver::respond_text(*to, 200, "ok");
    if (ask->path == "/metrics") return apiserver::respond_body(*to, 200, "text/plain; version=0.0.4; charset=utf-8", metrics());
    if (ask->path == "/pods" && !pods_) return apiserver::respond_body(*to, 200, "application/json", R"({"kind":"PodList","apiVersion":"v1","metadata":{},"items":[]})" "\n");
    if (ask->path == "/pods") return pass_on(list_pods{}, to);
    const bool log = ask->path.starts_with("/containerLogs/");
    if (!log && ask->path != "/stats/summary" && !parse_stream_path(*ask)) return apiserver::respond_error(*to, apiserver::no_such_path());
    if (!pods_) return apiserver::respond_text(*to, 503, "node " + node_.text + " runs no pods: it has no container runtime");
    if (ask->path == "/stats/summary") return pass_on(read_stats{}, to);
    if (log) return show_log(*ask, to);
    open_stream(ask, to);
  }

  template <class Ask>
  void pass_on(Ask what, const exchange_ptr& to) {
    self_->request(pods_, ask_limit, what)
        .then([to](std::string& text) { apiserver::respond_body(*to, 200, "application/json", std::move(text)); },
              [to](caf::error& why) { respond_failure(*to, rt::reason(why)); });
  }

  static void respond_failure(net::http::exchange& to, const error& why) {
    const int status = why.code == errc::not_found ? 404 : why.code == errc::conflict || why.code == errc::invalid ? 400 : 500;
    apiserver::respond_text(to, status, why.note.empty() ? why.text() : why.note);
  }

  void show_log(const net::http::request& ask, const exchange_ptr& to) {
    find_log what;
    std::string_view rest = std::string_view(ask.path).substr(std::string_view("/containerLogs/").size());
    for (auto* part : {&what.ns, &what.pod, &what.container}) {
      const auto slash = rest.find('/');
      *part = std::string(rest.substr(0, slash));
      rest = slash == std::string_view::npos ? std::string_view() : rest.substr(slash + 1);
    }
    if (what.container.empty() || !rest.empty()) return apiserver::respond_error(*to, apiserver::no_such_path());
    const auto options = parse_log_query(ask.query, world_->wall->now());
    if (!options.ok()) return apiserver::respond_text(*to, 400, options.why().note);
    what.previous = options->previous;
    self_->request(pods_, ask_limit, what)
        .then([this, options = *options, what, to](log_place& found) {
          // A log may be followed for longer than this port lives.
          send_log(*world_, options, found.path, [this, alive = std::weak_ptr(alive_), what, path = found.path](std::function<void(bool)> tell) {
            alive.expired() ? tell(true) : ask_ended(what, path, std::move(tell));
          }, to);
        }, [to](caf::error& why) { respond_failure(*to, rt::reason(why)); });
  }

  /// A log has ended when its container has, or when another has taken its place.
  void ask_ended(const find_log& what, const std::string& path, std::function<void(bool)> tell) {
    self_->request(pods_, ask_limit, what)
        .then([tell, path](const log_place& now) { tell(now.ended || now.path != path); }, [tell](caf::error&) { tell(true); });
  }

  void open_stream(const request_ptr& ask, const exchange_ptr& to) {
    std::string offered;
    const auto wire = judge_wire(*ask, offered);
    if (wire == stream_wire::refused) return carry_stream(*world_, {}, *ask, wire, {}, to);
    self_->request(pods_, ask_limit, *parse_stream_path(*ask))
        .then([this, ask, wire, offered, to](const stream_place& found) { carry_stream(*world_, found, *ask, wire, offered, to); },
              [to](caf::error& why) { respond_failure(*to, rt::reason(why)); });
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

  static constexpr duration ask_limit = std::chrono::seconds(20);
  rt::self<port_actor> self_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  const rt::world* world_ = nullptr;
  pod_source_actor pods_;
  node_name node_;
  mono_time since_{};
  std::uint64_t requests_ = 0;
};

}  // namespace

port_actor make_port(const rt::world& in, node_name node) {
  return rt::spawn_pinned<port_actor, port_state>(in, "", in, std::move(node));
}

}  // namespace troupe::kubelet
