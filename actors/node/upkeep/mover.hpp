// The one-flag move: a server alone that is started with --cluster-init takes its objects along into its new etcd. K3s
// does the same; here revisions go on, and nothing is believed before it was compared.
#pragma once
#include "actors/node/ground.hpp"

namespace troupe::node {

/// mover -> itself.
struct move_due {};
using moved_actor = rt::handle<void(store_moved)>;
using mover_actor = rt::handle<void(move_due)>;

/// Undoes a move that was cut short: etcd's half goes, the old store is used. Before a store is chosen.
result<void> undo_half_move(net::files& files, const std::string& folder);
/// Whether this start moves: an etcd that begins, beside a store of before. Leaves a mark, so that a start that is cut short
/// can be undone. `conflict` when there are two stores of before.
result<bool> begin_move(const rt::world& in, const ground& on);
/// Copies what is below `folder` into `into`, compares, gives the old store the name <name>.migrated, and says so to `owner`.
/// Runs on the loop for slow work, which it holds as long as it takes.
mover_actor make_mover(const rt::world& in, std::string folder, std::unique_ptr<storage::engine> into, moved_actor owner);

}  // namespace troupe::node

RT_MESSAGE(troupe::node::move_due)
