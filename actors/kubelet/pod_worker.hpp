// One pod on this node: asks the plan (pod/plan.hpp) what comes next, has the runtime do it, looks, asks again; probes; tells
// the API its status and its events. Made by the roll for each pod; ends when nothing of the pod is left here.
#pragma once
#include "actors/client/messages.hpp"
#include "actors/cri/messages.hpp"
#include "actors/kubelet/pod/making.hpp"
#include "actors/runtime/world.hpp"

namespace troupe::kubelet {

/// roll -> worker: the pod as the API has it now (or as a file of static pods says).
struct pod_told { model::packed object; };
/// roll -> worker: the API has it no more: it ends, and there is nobody to be told.
struct pod_withdrawn {};
/// roll -> worker of a static pod: its mirror in the API, when there is a new one. Nothing is told the API before.
struct mirror_told { std::shared_ptr<const json> object; };
/// roll -> worker: what the runtime has of it is not what it was.
struct look_due {};
/// worker -> itself.
struct turn_due { std::uint64_t number = 0; };
struct probe_due { std::uint64_t number = 0; };
struct ask_settled { std::uint64_t ticket = 0; bool well = false; std::string why; };
/// worker -> roll, after each look: what `logs`, `exec` and /pods are answered from.
struct pod_seen { std::string uid; std::shared_ptr<const net::cri::pod_view> view; model::packed object; };
/// worker -> roll: nothing is left, neither here nor in the API.
struct pod_ended { std::string uid; };

using worker_owner_actor = rt::handle<void(pod_seen), void(pod_ended)>;
using worker_actor = rt::handle<void(pod_told), void(pod_withdrawn), void(mirror_told), void(look_due), void(turn_due), void(probe_due), void(ask_settled)>;

struct worker_config {
  node_setup setup;
  duration api_limit = std::chrono::seconds(10);
  duration retry_first = std::chrono::seconds(1), retry_max = std::chrono::seconds(10);   ///< After the runtime refused something.
  std::size_t events_waiting_max = 64;                        ///< What could not be told yet; the oldest go first.
  unsigned event_tries_max = 12;                              ///< As upstream, ...
  duration event_again_after = std::chrono::seconds(10);      ///< ... so far apart.
  duration refresh_every = std::chrono::seconds(60);          ///< ConfigMaps, Secrets and tokens in volumes.
};
/// `who` for the console; `of_file`: a static pod, which needs no API, where its mirror may be, or nothing.
worker_actor make_worker(const rt::world& in, std::shared_ptr<const worker_config> config, std::string who, bool of_file, model::packed object, client::api_actor api,
                         cri::runtime_actor runtime, worker_owner_actor owner);

}  // namespace troupe::kubelet

RT_MESSAGE(troupe::kubelet::pod_told)
RT_MESSAGE(troupe::kubelet::pod_withdrawn)
RT_MESSAGE(troupe::kubelet::mirror_told)
RT_MESSAGE(troupe::kubelet::look_due)
RT_MESSAGE(troupe::kubelet::turn_due)
RT_MESSAGE(troupe::kubelet::probe_due)
RT_MESSAGE(troupe::kubelet::ask_settled)
RT_MESSAGE(troupe::kubelet::pod_seen)
RT_MESSAGE(troupe::kubelet::pod_ended)
