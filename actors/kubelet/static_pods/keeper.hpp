// Keeper of static pods: reads the node's folder of manifests, tells the roll which pods it asks for, and keeps their mirrors in
// the API. It needs no server for the former. Owned by the roll.
#pragma once
#include "actors/client/messages.hpp"
#include "actors/kubelet/static_pods/manifest.hpp"
#include "actors/runtime/world.hpp"

namespace troupe::kubelet {

/// keeper -> roll: all the pods that files ask for, whenever they change; first as soon as the folder has been read.
struct manifests_read { std::vector<std::shared_ptr<const json>> pods; };
using manifests_owner_actor = rt::handle<void(manifests_read)>;

/// roll -> keeper: of mirrors in the API.
struct mirror_seen { std::shared_ptr<const json> object; };
struct mirror_lost { std::shared_ptr<const json> object; };
/// roll -> keeper: all mirrors that there are have been told.
struct mirrors_known {};
/// roll -> keeper: nothing of it is left on this node.
struct static_pod_ended { std::string uid; };
/// keeper -> itself.
struct scan_due {};
struct mend_due {};
using static_keeper_actor = rt::handle<void(mirror_seen), void(mirror_lost), void(mirrors_known), void(static_pod_ended), void(scan_due), void(mend_due)>;

struct static_config {
  std::string folder, node;
  duration scan_every = std::chrono::seconds(1);
  duration api_limit = std::chrono::seconds(10);
  duration retry_after = std::chrono::seconds(2);      ///< After the API refused a mirror, or could not be asked.
  std::size_t files_max = 250, file_bytes_max = 1 << 20;
};
static_keeper_actor make_static_keeper(const rt::world& in, static_config config, client::api_actor api, manifests_owner_actor owner);

}  // namespace troupe::kubelet

RT_MESSAGE(troupe::kubelet::manifests_read)
RT_MESSAGE(troupe::kubelet::mirror_seen)
RT_MESSAGE(troupe::kubelet::mirror_lost)
RT_MESSAGE(troupe::kubelet::mirrors_known)
RT_MESSAGE(troupe::kubelet::static_pod_ended)
RT_MESSAGE(troupe::kubelet::scan_due)
RT_MESSAGE(troupe::kubelet::mend_due)
