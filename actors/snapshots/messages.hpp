// Who may say what about snapshots of the datastore.
#pragma once
#include <string>
#include <vector>

#include "actors/runtime/handle.hpp"
#include "actors/snapshots/manifest.hpp"

namespace troupe::snapshots {

/// One in a folder, newest last. Without a manifest (another program's) only name, size and time are known.
struct snapshot {
  manifest what;
  std::string path;
  bool described = false;           ///< There is a manifest.
};
struct snapshot_list { std::vector<snapshot> snapshots; };
struct snapshot_changes { std::vector<std::string> created, deleted; };   ///< Names.

/// supervisor -> keeper; empty fields mean the server's own settings. `overloaded` while one is being taken, `invalid` for a
/// name or folder that cannot be, `not_found` (folder, snapshot), `already_exists`, `unavailable` and others as files say.
struct list_snapshots { std::string folder; };
struct save_snapshot { std::string name, folder; };
struct delete_snapshots { std::vector<std::string> names; std::string folder; };
/// Deletes all but the newest `keep` of this node whose name begins with `name`.
struct prune_snapshots { std::string name, folder; unsigned keep = 0; };

/// keeper -> itself.
struct schedule_due {};
using snapshots_actor = rt::handle<snapshot_list(list_snapshots), snapshot_changes(save_snapshot),
                                   snapshot_changes(delete_snapshots), snapshot_changes(prune_snapshots)>;
using keeper_actor = rt::handle<snapshot_list(list_snapshots), snapshot_changes(save_snapshot),
                                snapshot_changes(delete_snapshots), snapshot_changes(prune_snapshots), void(schedule_due)>;

}  // namespace troupe::snapshots

RT_MESSAGE(troupe::snapshots::snapshot_list)
RT_MESSAGE(troupe::snapshots::snapshot_changes)
RT_MESSAGE(troupe::snapshots::list_snapshots)
RT_MESSAGE(troupe::snapshots::save_snapshot)
RT_MESSAGE(troupe::snapshots::delete_snapshots)
RT_MESSAGE(troupe::snapshots::prune_snapshots)
RT_MESSAGE(troupe::snapshots::schedule_due)
