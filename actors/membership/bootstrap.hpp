// The files that make a second server the same cluster, as K3s names and wraps them: a JSON object, field -> {"Timestamp",
// "Content" in base64}. Served to joining servers over TLS, kept in the datastore encrypted under the token. Pure but for
// the files it is handed.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "basis/json.hpp"
#include "basis/result.hpp"
#include "basis/secret.hpp"
#include "net/host/host.hpp"

namespace troupe::membership {

struct bootstrap_file {
  std::string_view field;      ///< "ServerCA"
  std::string_view path;       ///< Below <data>/server.
  bool changes = false;        ///< In a cluster's life: a newer one on disk is kept, what holds is settled elsewhere (secrets/key_record.hpp).
};
std::span<const bootstrap_file> bootstrap_files() noexcept;

/// What there is on disk below `folder` (<data>/server); missing files are left out.
result<json> gather_bootstrap(const net::files& from, const std::string& folder);

/// Brings the disk in line with `data`: missing files are written, files that differ are replaced, unless the one on disk
/// is at least 3 s newer than the data: then nothing is touched and `conflict` names the files, because either side may be
/// the one that is meant. Unknown fields are ignored; `invalid` when this is no bootstrap data.
result<void> apply_bootstrap(net::files& to, const std::string& folder, const json& data);
/// Whether applying would go well: fails as it does, writes nothing.
result<void> check_bootstrap(const net::files& to, const std::string& folder, const json& data);

/// "/bootstrap/<first 12 hex digits of the password's SHA-256>"; `sha256` are the raw bytes.
std::string bootstrap_key(std::string_view sha256);

}  // namespace troupe::membership
