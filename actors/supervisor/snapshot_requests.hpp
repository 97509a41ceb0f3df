// /db/snapshot: K3s's requests (POST, JSON with "operation") and answers. Pure.
#pragma once
#include <variant>

#include "actors/snapshots/messages.hpp"
#include "basis/json.hpp"

namespace troupe::supervisor {

using snapshot_order = std::variant<snapshots::list_snapshots, snapshots::save_snapshot, snapshots::delete_snapshots,
                                    snapshots::prune_snapshots>;
inline constexpr unsigned snapshots_kept_usually = 5;
inline constexpr std::size_t snapshot_names_max = 1000;

/// `invalid` says what is wrong; S3 and compression are refused by name.
result<snapshot_order> parse_snapshot_request(std::string_view body);
/// {"created": [...], "deleted": [...]}
json changes_json(const snapshots::snapshot_changes& of);
/// An ETCDSnapshotFileList of k3s.cattle.io/v1.
json list_json(const snapshots::snapshot_list& of);

}  // namespace troupe::supervisor
