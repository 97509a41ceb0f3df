// The roll of pods: which there are on this node, one worker for each. It follows the pods that are bound here, looks once a
// second at everything that the runtime has (so that a container's end is noticed, and what belongs to no pod is ended), and
// answers for all of them: where logs are, how to get into a container, what is listed and used.
#pragma once
#include "actors/cri/messages.hpp"
#include "actors/kubelet/logs/rotation.hpp"
#include "actors/kubelet/messages.hpp"
#include "actors/kubelet/pod_worker.hpp"
#include "actors/kubelet/static_pods/keeper.hpp"

namespace troupe::kubelet {

struct relist_due {};

struct roll_config {
  worker_config worker;
  std::string data_folder;                                         ///< Whose disk images fill.
  std::string manifests_folder;                                    ///< Of static pods; empty: there are none.
  duration look_every = std::chrono::seconds(1);
  duration standing_every = std::chrono::seconds(5);               ///< Whether runtime and network are ready.
  duration images_every = std::chrono::seconds(60);
  log_limits logs;                                                 ///< Of each container.
  duration logs_every = std::chrono::seconds(10);
  unsigned disk_percent_high = 85, disk_percent_low = 80;          ///< Unused images go between these ...
  duration image_age_min = std::chrono::minutes(2);                ///< ... unless they have just come: somebody is about to use them.
  std::size_t images_told_max = 50;
};
using roll_actor = rt::handle<void(client::object_seen), void(client::object_lost), void(client::kind_synced), void(pod_seen), void(pod_ended), void(relist_due),
                              void(cri::runtime_up), void(cri::runtime_down), void(manifests_read), log_place(find_log), stream_place(open_pod_stream), std::string(list_pods),
                              std::string(read_stats)>;
roll_actor make_roll(const rt::world& in, roll_config config, client::api_actor api, cri::runtime_actor runtime, kubelet_actor node);

}  // namespace troupe::kubelet

RT_MESSAGE(troupe::kubelet::relist_due)
