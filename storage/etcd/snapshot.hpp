// A consistent copy of one member, streamed to a file and checked against the digest with which it ends.
#pragma once
#include <string>

#include "storage/etcd/links.hpp"

namespace troupe::storage::etcd {

/// Has a thread and a channel of its own, because it waits for the disk. The file appears at `path` (mode 0600) when it
/// is whole and synced, never before. `finished` runs on `home`, which must not end sooner: `already_exists`,
/// `not_found` (no such folder), `unavailable`, `corrupt` (the digest does not fit), `internal` (the disk).
void take_snapshot(rpc::loop& home, const std::string& url, const etcd_access& access, std::string path, duration limit,
                   engine::done finished);

}  // namespace troupe::storage::etcd
