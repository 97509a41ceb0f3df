#include "actors/supervisor/snapshot_requests.hpp"

namespace troupe::supervisor {

result<snapshot_order> parse_snapshot_request(std::string_view body) {
  const auto read = parse_json(body);
  if (!read.ok() || !read->is_object()) return fail(errc::invalid, "a request for snapshots is a JSON object");
  if (!dig(*read, "s3").is_null()) return fail(errc::invalid, "snapshots in S3 are a K3s feature that this version of troupe does not have yet");
  const auto& squeeze = dig(*read, "compress");
  if (squeeze.is_boolean() && squeeze.get<bool>()) return fail(errc::invalid, "compressed snapshots are a K3s feature that this version of troupe does not have yet");
  std::vector<std::string> names;
  if (const auto& given = dig(*read, "name"); given.is_array()) {
    if (given.size() > snapshot_names_max) return fail(errc::invalid, "too many names");
    for (const auto& one : given) {
      if (!one.is_string()) return fail(errc::invalid, "a name must be text");
      names.push_back(one.get<std::string>());
    }
  } else if (!given.is_null()) {
    return fail(errc::invalid, "name must be a list");
  }
  const auto folder = text_or(dig(*read, "dir"));
  const auto first = names.empty() ? std::string() : names.front();
  const auto operation = text_or(dig(*read, "operation"));
  if (operation == "save") return snapshot_order(snapshots::save_snapshot{first, folder});
  if (operation == "list") return snapshot_order(snapshots::list_snapshots{folder});
  if (operation == "delete") {
    if (names.empty()) return fail(errc::invalid, "which snapshot is to be deleted?");
    return snapshot_order(snapshots::delete_snapshots{std::move(names), folder});
  }
  if (operation == "prune") {
    const auto& keep = dig(*read, "retention");
    if (!keep.is_null() && (!keep.is_number_unsigned() || keep.get<std::uint64_t>() > 1'000'000)) return fail(errc::invalid, "retention must be a number of snapshots, 0 or more");
    return snapshot_order(snapshots::prune_snapshots{first, folder, keep.is_null() ? snapshots_kept_usually : keep.get<unsigned>()});
  }
  return fail(errc::invalid, "operation must be save, list, delete or prune");
}

json changes_json(const snapshots::snapshot_changes& of) {
  json out = json::object();
  if (!of.created.empty()) out["created"] = of.created;
  if (!of.deleted.empty()) out["deleted"] = of.deleted;
  return out;
}

json list_json(const snapshots::snapshot_list& of) {
  json items = json::array();
  for (const auto& one : of.snapshots) {
    json status{{"readyToUse", one.described}, {"size", std::to_string(one.what.bytes)}, {"creationTime", to_rfc3339(one.what.taken)}};
    json metadata{{"name", "local-" + one.what.name}};
    if (one.described)
      metadata["annotations"] = {{"troupe.engine", one.what.engine}, {"troupe.head", std::to_string(one.what.head)}, {"troupe.sha256", one.what.sha256}, {"troupe.cluster", one.what.cluster}};
    else
      status["error"] = {{"message", "there is no " + one.what.name + ".json beside it, which a restore needs"}};
    items.push_back({{"metadata", std::move(metadata)}, {"spec", {{"snapshotName", one.what.name}, {"nodeName", one.what.node}, {"location", "file://" + one.path}}}, {"status", std::move(status)}});
  }
  return {{"apiVersion", "k3s.cattle.io/v1"}, {"kind", "ETCDSnapshotFileList"}, {"metadata", json::object()}, {"items", std::move(items)}};
}

}  // namespace troupe::supervisor
