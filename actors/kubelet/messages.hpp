// The kubelet: the node's own part. Registers its Node, keeps its Lease, answers on port 10250.
#pragma once
#include "actors/client/messages.hpp"
#include "actors/front/messages.hpp"
#include "actors/front/messages.hpp"
#include "actors/runtime/handle.hpp"

namespace troupe::kubelet {

/// node -> kubelet: begin. The Node, its status and its Lease follow.
struct start_kubelet {};
/// kubelet -> itself.
struct register_due {};
struct heartbeat_due {};
struct status_due {};
/// kubelet -> its owner, whenever it changes.
struct node_readiness { bool ready = false; std::string why; };
using readiness_actor = rt::handle<void(node_readiness)>;

/// roll -> kubelet: what the Node's status says of the runtime, whenever it changes.
struct runtime_news {
  std::string version;                     ///< "containerd://1.6.20"; empty: not known yet.
  bool ready = false;
  std::string why;                         ///< When it is not: upstream's words.
  std::string images;                      ///< status.images, as JSON text.
};

using kubelet_actor = rt::handle<void(start_kubelet), void(register_due), void(heartbeat_due), void(status_due), void(runtime_news)>;

// --- what the port asks whoever runs the pods (the roll), for clients of the API ---------------------------------------

/// port -> roll: where a container's log is. Answers log_place; not_found names what is missing, in upstream's words.
struct find_log { std::string ns, pod, container; bool previous = false; };
struct log_place { std::string path; bool ended = false; };   ///< A file in CRI's log format; it grows until `ended`.
/// port -> roll: a stream into a pod. Answers stream_place; not_found | conflict (not running), in a sentence.
enum class pod_stream : std::uint8_t { exec, attach, port_forward };
struct open_pod_stream {
  pod_stream what = pod_stream::exec;
  std::string ns, pod, container;                ///< Empty container: the only one, or the first.
  std::vector<std::string> command;              ///< Of exec.
  bool in = false, out = false, err = false, terminal = false;
};
/// The runtime's own streaming server: a one-time path, to be asked for by SPDY/3.1 or WebSocket within a minute.
struct stream_place { endpoint at; std::string path; };
/// port -> roll: the answers of /pods (a PodList) and /stats/summary, as JSON text.
struct list_pods {};
struct read_stats {};
using pod_source_actor = rt::handle<log_place(find_log), stream_place(open_pod_stream), std::string(list_pods), std::string(read_stats)>;

/// node -> port: who runs the pods.
struct use_pods { pod_source_actor pods; };
using port_actor = rt::handle<void(front::request_arrived), void(use_pods)>;

}  // namespace troupe::kubelet

RT_MESSAGE(troupe::kubelet::start_kubelet)
RT_MESSAGE(troupe::kubelet::register_due)
RT_MESSAGE(troupe::kubelet::heartbeat_due)
RT_MESSAGE(troupe::kubelet::status_due)
RT_MESSAGE(troupe::kubelet::node_readiness)
RT_MESSAGE(troupe::kubelet::runtime_news)
RT_MESSAGE(troupe::kubelet::find_log)
RT_MESSAGE(troupe::kubelet::log_place)
RT_MESSAGE(troupe::kubelet::open_pod_stream)
RT_MESSAGE(troupe::kubelet::stream_place)
RT_MESSAGE(troupe::kubelet::list_pods)
RT_MESSAGE(troupe::kubelet::read_stats)
RT_MESSAGE(troupe::kubelet::use_pods)
