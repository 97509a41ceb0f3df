// What lies beside a snapshot in `<name>.json`: of which cluster, engine and revision it is, its digest, and, sealed under
// the cluster's token, the files that make a server the same cluster. Pure.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "basis/clock.hpp"

namespace troupe::snapshots {

struct manifest {
  std::string name, node, engine;    ///< engine: "sqlite", "rocksdb" or "etcd".
  std::string version;               ///< Of the server that wrote it.
  std::string cluster;               ///< Digest of the server CA, as in the token.
  std::int64_t head = 0;             ///< The newest revision in it, or a little later.
  std::uint64_t bytes = 0;
  std::string sha256;                ///< Hexadecimal, as net::files::sha256 defines it.
  std::string bootstrap;             ///< membership/bootstrap.hpp's JSON, sealed under the server's password.
  wall_time taken{};                 ///< Whole seconds.
};

inline constexpr std::size_t name_bytes_max = 200;

std::string manifest_text(const manifest& of);
/// `invalid` when it is none or of a later format.
result<manifest> parse_manifest(std::string_view text);

/// "<prefix>-<node>-<unix seconds>", K3s's form.
std::string snapshot_name(std::string_view prefix, std::string_view node, wall_time at);
/// The seconds at the end of such a name when it belongs to `prefix` and `node`; -1 otherwise.
std::int64_t seconds_of(std::string_view name, std::string_view prefix, std::string_view node);
/// Whether a name can be a file's: letters, digits, '.', '-', '_'; not empty, no dot first, no ".json" at its end.
bool is_good_name(std::string_view name);

}  // namespace troupe::snapshots
