#include "actors/snapshots/manifest.hpp"

#include <charconv>

#include "basis/json.hpp"

namespace troupe::snapshots {

constexpr int format = 1;

std::string manifest_text(const manifest& of) {
  return to_text(json{{"format", format}, {"name", of.name}, {"node", of.node}, {"engine", of.engine}, {"version", of.version}, {"cluster", of.cluster},
                      {"head", of.head}, {"bytes", of.bytes}, {"sha256", of.sha256}, {"bootstrap", of.bootstrap}, {"taken", to_rfc3339(of.taken)}}) + "\n";
}

result<manifest> parse_manifest(std::string_view text) {
  const auto wrong = [](const char* why) { return fail(errc::invalid, std::string("the snapshot's manifest ") + why); };
  const auto read = parse_json(text);
  if (!read.ok() || !read->is_object()) return wrong("cannot be read");
  const auto& kind = dig(*read, "format");
  if (!kind.is_number_integer()) return wrong("names no format");
  if (kind.get<std::int64_t>() != format) return wrong("is of a later format: use the troupe that wrote it");
  const auto& head = dig(*read, "head");
  const auto& size = dig(*read, "bytes");
  if (!head.is_number_integer() || !size.is_number_unsigned() || head.get<std::int64_t>() < 0) return wrong("has no revision or no size");
  const auto taken = parse_rfc3339(text_or(dig(*read, "taken")));
  if (!taken.ok()) return wrong("has no time");
  manifest out{text_or(dig(*read, "name")), text_or(dig(*read, "node")), text_or(dig(*read, "engine")), text_or(dig(*read, "version")),
               text_or(dig(*read, "cluster")), head.get<std::int64_t>(), size.get<std::uint64_t>(), text_or(dig(*read, "sha256")),
               text_or(dig(*read, "bootstrap")), *taken};
  if (out.engine != "sqlite" && out.engine != "rocksdb" && out.engine != "etcd") return wrong("names no engine of ours");
  if (out.sha256.size() != 64 || out.cluster.empty() || !is_good_name(out.name)) return wrong("is not complete");
  return out;
}

std::string snapshot_name(std::string_view prefix, std::string_view node, wall_time at) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(at.time_since_epoch()).count();
  return std::string(prefix) + "-" + std::string(node) + "-" + std::to_string(seconds);
}

std::int64_t seconds_of(std::string_view name, std::string_view prefix, std::string_view node) {
  const auto begin = std::string(prefix) + "-" + std::string(node) + "-";
  if (!name.starts_with(begin)) return -1;
  name.remove_prefix(begin.size());
  std::int64_t out = 0;
  const auto [at, bad] = std::from_chars(name.data(), name.data() + name.size(), out);
  return name.empty() || bad != std::errc() || at != name.data() + name.size() || out < 0 ? -1 : out;
}

bool is_good_name(std::string_view name) {
  if (name.empty() || name.size() > name_bytes_max || name[0] == '.' || name.ends_with(".json")) return false;
  for (const char c : name)
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_')) return false;
  return true;
}

}  // namespace troupe::snapshots
