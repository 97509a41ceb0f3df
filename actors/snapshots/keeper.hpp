// Makes the keeper of a server's snapshots: takes them when asked and by schedule, lists, deletes, prunes. Works with
// large files, so it runs on the loop for slow work.
#pragma once
#include <functional>

#include "actors/datastore/messages.hpp"
#include "actors/runtime/world.hpp"
#include "actors/snapshots/messages.hpp"

namespace troupe::snapshots {

struct keeper_config {
  std::string folder;                        ///< Where snapshots go that name no folder.
  bool own_folder = true;                    ///< It is ours to make; any other must be there.
  std::string node, engine, version, cluster;   ///< As in the manifest.
  std::function<result<std::string>()> seal_bootstrap;   ///< The manifest's `bootstrap`, as it is now. Called by the keeper.
  std::string schedule = "0 */12 * * *";     ///< Empty: none are taken by themselves.
  std::string name = "etcd-snapshot";        ///< Of scheduled ones.
  std::string demand_name = "on-demand";
  unsigned keep = 5;                         ///< Scheduled ones; 0: all.
  duration jitter_max = std::chrono::seconds(5);   ///< So that servers of one cluster do not copy all at once.
};
/// The schedule must be one that cron.hpp reads.
keeper_actor make_keeper(const rt::world& in, keeper_config config, datastore::backup_actor store);

}  // namespace troupe::snapshots
